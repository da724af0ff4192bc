"""Texts whose variables are names that hold one text, or a few, once and for all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Protocol

from nbslim.analyzer.constants import Text, Variable, resolved
from nbslim.analyzer.statement import Statement

FILE = re.compile(r"[\w./\\-]*\w\.[A-Za-z]\w{0,9}")
"""What looks like a file's name."""


class Held(Protocol):
    """A name that stands for something: what bound it, and whether something else came before or after."""

    @property
    def statement(self) -> Statement:
        """What bound it."""

    @property
    def previous(self) -> object:
        """What it stood for before."""

    @property
    def update(self) -> bool:
        """Whether it was changed."""


def named(texts: Iterable[Text], held: Mapping[str, Held]) -> list[str]:
    """Return the texts that are known, variables being names in `held`."""
    return [found for text in texts for found in resolved(text, lambda part: _texts(part, held))]


def all_named(texts: Iterable[Text], held: Mapping[str, Held]) -> list[str]:
    """Return the texts if all of them are known, and none otherwise."""
    found = [named([text], held) for text in texts]
    return [one for ones in found for one in ones] if all(found) else []


def _texts(variable: Variable, held: Mapping[str, Held]) -> tuple[str, ...]:
    node = held.get(variable.name)
    if node is None or node.update or node.previous:
        return ()
    if variable.inside:
        keys = resolved(variable.key, lambda part: _texts(part, held)) if variable.key else []
        return tuple(text for key, text in node.statement.texts if not keys or key is None or key in keys)
    return () if node.statement.text is None else (node.statement.text,)


def files_named(texts: Iterable[str | None]) -> set[str]:
    """Return those texts that look like names of files."""
    return {text for text in texts if text is not None and FILE.fullmatch(text)}
