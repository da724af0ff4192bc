"""Find the place of what a parser's hook refused: a hook is given a value, not where it is."""

from __future__ import annotations

import json
import re

from nbslim.runtime.doubts import masked

_NEWLINE = b"\n"
_SEARCHED = 1 << 20
"""Larger bodies are not searched: who sends them on purpose shall not be given much time."""
_TOKENS = re.compile(rb'"[^"]*"|-?Infinity|NaN|-?[0-9][0-9.eE+-]*')
_KEYS = re.compile(rb'("[^"]*")[ \t\n\r]*:|"[^"]*"|[{}]')


def place(body: bytes, offset: int) -> str:
    """Return line and column, from 1, of a byte of UTF-8 text."""
    start = body.rfind(b"\n", 0, offset) + 1
    column = len(body[start:offset].decode("utf-8", "replace")) + 1
    return f"line {body.count(_NEWLINE, 0, offset) + 1}, column {column}"


def place_of(token: str, body: bytes) -> str | None:
    """Return where a number or constant first stands outside of strings; None where that cannot be told."""
    if len(body) > _SEARCHED:
        return None
    sought = token.encode()
    found = (match.start() for match in _TOKENS.finditer(masked(body)) if match[0] == sought)
    offset = next(found, None)
    return None if offset is None else place(body, offset)


def place_of_repeated_key(body: bytes) -> str | None:
    """Return where an object first has a key that it had before; None where that cannot be told."""
    if len(body) > _SEARCHED:
        return None
    objects: list[set[str]] = []
    for match in _KEYS.finditer(masked(body)):
        if match[0] == b"{":
            objects.append(set())
        elif match[0] == b"}":
            objects.pop()
        elif match[1]:
            key = json.loads(body[slice(*match.span(1))].decode())
            if key in objects[-1]:
                return place(body, match.start())
            objects[-1].add(key)
    return None
