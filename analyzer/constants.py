"""Texts that code puts together from literals and from names that hold them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_FILE = re.compile(r"[\w./\\-]*\w\.[A-Za-z]\w{0,9}")

MOST = 32
"""Alternatives of one text that are worth following, such as those that a loop runs through."""


Text = tuple["str | Variable", ...]
"""Parts that, joined, make one text; empty for the empty text."""


@dataclass(frozen=True)
class Variable:
    """A name of the notebook whose text is not known where it is used."""

    name: str
    inside: bool = False
    """Whether the text is one of those inside what the name stands for."""
    key: Text = ()
    """What it is found by in there, as far as that is known."""


def joined(first: tuple[Text, ...], second: tuple[Text, ...]) -> tuple[Text, ...]:
    """Return every alternative of `first` with every one of `second` after it; none if one of them has none."""
    if len(first) * len(second) > MOST:
        return ()
    return tuple((*one, *two) for one in first for two in second)


def resolved(text: Text, texts_of: Callable[[Variable], tuple[str, ...]]) -> list[str]:
    """Return what `text` may be, as `texts_of` knows its variables; nothing where it does not know one of them."""
    found = [""]
    for part in text:
        parts = texts_of(part) if isinstance(part, Variable) else (part,)
        found = [before + after for before in found for after in parts][:MOST]
    return found


def spelled(text: Text) -> str | None:
    """Return a text without variables; None for one that has some."""
    return "".join(map(str, text)) if not any(isinstance(part, Variable) for part in text) else None


def files_named(texts: Iterable[str | None]) -> set[str]:
    """Return those texts that look like names of files."""
    return {text for text in texts if text is not None and _FILE.fullmatch(text)}
