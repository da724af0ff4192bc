"""Texts whose variables are names that hold one text, or a few, once and for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nbslim.analyzer.constants import Text, Variable, resolved
from nbslim.analyzer.graph import Node


def named(texts: Iterable[Text], held: Mapping[str, Node]) -> list[str]:
    """Return the texts that are known, variables being names in `held`."""
    return [found for text in texts for found in resolved(text, lambda part: _texts(part, held))]


def all_named(texts: Iterable[Text], held: Mapping[str, Node]) -> list[str]:
    """Return the texts if all of them are known, and none otherwise."""
    found = [named([text], held) for text in texts]
    return [one for ones in found for one in ones] if all(found) else []


def _texts(variable: Variable, held: Mapping[str, Node]) -> tuple[str, ...]:
    node = held.get(variable.name)
    if node is None or node.update or node.previous:
        return ()
    if variable.inside:
        keys = resolved(variable.key, lambda part: _texts(part, held)) if variable.key else []
        return tuple(text for key, text in node.statement.texts if not keys or key is None or key in keys)
    return () if node.statement.text is None else (node.statement.text,)
