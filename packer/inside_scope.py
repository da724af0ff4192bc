"""Runs in the notebook's kernel: which nodes of a function's syntax are its own, and which names it binds."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from typing import Any

SCOPES = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)
"""What runs in a scope of its own."""


def within(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes below `node` but those inside of other scopes, whose own nodes are yielded."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, SCOPES):
            yield from within(child)


def bindings(node: ast.AST) -> Counter[str]:
    """Return how often each name is bound below `node`, other scopes aside."""
    return Counter(name for child in within(node) for name in _bound_by(child))


def _bound_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if not isinstance(node.ctx, ast.Load):
            yield node.id
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).partition(".")[0]
    elif isinstance(node, SCOPES) and not hasattr(node, "name"):
        # What `:=` binds in a comprehension is the function's.
        yield from (one.target.id for one in ast.walk(node) if isinstance(one, ast.NamedExpr))
    else:
        bound = (getattr(node, "name", None), getattr(node, "rest", None))  # functions, handlers, patterns
        yield from (name for name in bound if isinstance(name, str))


def loads(node: ast.AST) -> Counter[str]:
    """Return how often each name is read in `node`, other scopes included."""
    return Counter(
        one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)
    )


def root(node: ast.AST) -> str | None:
    """Return the name at the start of `a.b[c].d()`, None where there is none."""
    while not isinstance(node, ast.Name):
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            node = node.value
        elif isinstance(node, ast.Call):
            node = node.func
        else:
            return None
    return node.id


def last_name(node: ast.AST) -> str:
    """Return `c` of the function `a.b.c`."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


class OwnTransformer(ast.NodeTransformer):
    """Leaves other scopes than the one it starts in as they are."""

    def visit(self, node: ast.AST) -> Any:
        """Visit what runs in the function itself."""
        return node if isinstance(node, SCOPES) else super().visit(node)
