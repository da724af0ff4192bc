"""Texts that code puts together from literals and from names that hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MOST = 32
"""Alternatives of one text that are worth following, such as those that a loop runs through."""


@dataclass(frozen=True)
class Variable:
    """A name of the notebook whose text is not known where it is used."""

    name: str


Text = tuple["str | Variable", ...]
"""Parts that, joined, make one text; empty for the empty text."""


def joined(first: tuple[Text, ...], second: tuple[Text, ...]) -> tuple[Text, ...]:
    """Return every alternative of `first` with every one of `second` after it; none if one of them has none."""
    if len(first) * len(second) > MOST:
        return ()
    return tuple((*one, *two) for one in first for two in second)


def resolved(text: Text, text_of: Callable[[str], str | None]) -> str | None:
    """Return `text` as `text_of` knows its variables; None where it does not know one of them."""
    parts = [text_of(part.name) if isinstance(part, Variable) else part for part in text]
    return None if None in parts else "".join(part for part in parts if part is not None)
