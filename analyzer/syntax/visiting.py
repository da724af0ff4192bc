"""Walking a tree to look at it: libcst's own visitors rebuild every node on the way, which takes most of their time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache

import libcst as cst

# Punctuation and blank space: nothing below them is code.
_SPACE = (
    cst.BaseParenthesizableWhitespace,
    cst.Comma,
    cst.EmptyLine,
    cst.LeftParen,
    cst.RightParen,
    cst.Semicolon,
    cst.TrailingWhitespace,
)


class Visitor:
    """Calls `visit_X` for each node of the kind X, parents first, and `leave_X` after what is below it.

    A `visit_X` that returns False keeps the walk from going below the node, and from leaving it.
    """

    def walk(self, node: cst.CSTNode) -> None:
        """Visit a node and all below it."""
        kind = type(node).__name__
        visit, leave = getattr(self, f"visit_{kind}", None), getattr(self, f"leave_{kind}", None)
        if visit is not None and visit(node) is False:
            return
        for child in children(node):
            self.walk(child)
        if leave is not None:
            leave(node)


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield the nodes directly below `node`, without punctuation and space."""
    for name in _fields(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            if not isinstance(value, _SPACE):
                yield value
        elif isinstance(value, (list, tuple)):
            yield from (one for one in value if isinstance(one, cst.CSTNode) and not isinstance(one, _SPACE))


@cache
def _fields(kind: type) -> tuple[str, ...]:
    names = (field.name for field in dataclasses.fields(kind))
    return tuple(name for name in names if not name.startswith(("whitespace", "lines_", "leading_lines")))
