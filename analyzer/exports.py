"""Which names `from module import *` brings, as far as the source of an installed module tells without running it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from nbslim.analyzer.parsing import parsed

Locate = Callable[[str], "Path | None"]
"""Finds the source of a module."""


class Exports:
    """Answers for the modules of one environment, each of which is read once."""

    def __init__(self, locate: Locate) -> None:
        self._names = cache(lambda module: _names(locate(module)))

    def brings(self, module: str, name: str) -> bool | None:
        """Tell whether a star import of `module` binds `name`; None where only running the module would tell."""
        found = self._names(module)
        if found is None or name.startswith("_"):
            return None if found is None else name in found.listed
        if name in found.listed or (not found.lists and name in found.bound):
            return True
        return None if found.open else False


class _Names:
    """What the top of a module binds and what it lists; `open` if there is more that its source does not spell out."""

    def __init__(self, tree: ast.Module) -> None:
        self.bound = set(_bound(tree))
        self.listed: set[str] = set()
        self.lists = self.open = False
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                self.open = True
            elif isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)) and _assigns_all(node):
                self._list(node.value)
            elif isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
                self.open = True

    def _list(self, value: ast.expr | None) -> None:
        self.lists = True
        try:
            self.listed |= set(map(str, ast.literal_eval(value))) if value is not None else set()
        except (ValueError, TypeError):
            self.open = True


def _names(source: Path | None) -> _Names | None:
    try:
        tree = parsed(source.read_bytes()) if source else None
    except OSError:
        return None
    return _Names(tree) if tree else None


def _assigns_all(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def _bound(tree: ast.Module) -> Iterator[str]:
    """Yield the names that the module's own level binds, in its blocks, too."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        waiting += ast.iter_child_nodes(node)
