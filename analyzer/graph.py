"""The def-use graph of a notebook: one node for each binding or update of a name, in cell order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nbslim.analyzer.syntax import Statement
from nbslim.analyzer.types import Place


@dataclass(frozen=True, eq=False)
class Node:
    """A name from one statement on: bound by it, or updated.

    `previous` is what the name stood for before, where that may still matter: the same object before an update, or
    the other value where this binding is conditional. `uses` are the nodes that the statement read.
    """

    name: str
    place: Place
    statement: Statement
    previous: Node | None
    uses: Mapping[str, Node]
    update: bool = False


@dataclass(frozen=True)
class Graph:
    """All nodes that can be reached: `final` maps each name to its node after the last cell."""

    final: Mapping[str, Node]
    stars: tuple[tuple[Place, Statement], ...]
    """Statements with a star import, which may bind any name."""


def build_graph(statements: Iterable[tuple[int, Statement]]) -> Graph:
    """Return the graph of `statements`, given with the numbers of their cells in the order in which they run."""
    last: dict[str, Node] = {}
    stars: list[tuple[Place, Statement]] = []
    for cell, statement in statements:
        place = Place(cell, statement.line)
        if any(imported.name == "*" for imported in statement.imports):
            stars.append((place, statement))
        read = {name: last[name] for name in statement.uses | statement.bases if name in last}
        if statement.deletes:
            for name in statement.binds:
                last.pop(name, None)
            continue
        for name in sorted(_updated(statement, last)):
            last[name] = Node(name, place, statement, last.get(name), read, update=True)
        for name in statement.binds:
            previous = last.get(name) if statement.conditional else None
            last[name] = Node(name, place, statement, previous, read)
    return Graph(last, tuple(stars))


def _updated(statement: Statement, last: Mapping[str, Node]) -> set[str]:
    """Return the names whose objects the statement may change.

    Calling a method may change its object; being handed to a function of the notebook may, too; being handed to any
    other function is taken as harmless, or every plot would seem to change what it draws. Modules do not change.
    """
    names = set(statement.updates)
    for function, arguments in statement.calls:
        if function in last and last[function].statement.defines_code:
            names |= arguments
    return {name for name in names if name in last and not _is_module(last[name])} | (names - set(last))


def _is_module(node: Node) -> bool:
    return any(imported.bound == node.name for imported in node.statement.imports)
