"""The def-use graph of a notebook: one node for each binding or update of a name, in cell order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nbslim.analyzer.statement import Statement
from nbslim.analyzer.types import Place


@dataclass(frozen=True, eq=False)
class Node:
    """A name, or the name of a file, from one statement on: bound by it, or updated.

    `previous` is what the name stood for before, where that may still matter: the same object before an update, or
    the other value where this binding is conditional. `uses` are the nodes that the statement read.
    """

    name: str
    place: Place
    statement: Statement
    previous: Node | None
    uses: Mapping[str, Node]
    update: bool = False

    @property
    def alternative(self) -> bool:
        """Whether it may be that `previous` stands, not this binding, and that they differ."""
        if self.update or self.previous is None or not self.statement.conditional:
            return False
        return not self.imported or self.imported != self.previous.imported

    @property
    def imported(self) -> frozenset[tuple[str, str | None]]:
        """What the statement imports under the node's name, as module and name."""
        return frozenset((i.module, i.name) for i in self.statement.imports if i.bound == self.name)


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
        reads = statement.uses | statement.bases | statement.files
        read = {name: last[name] for name in reads if name in last}
        for name in sorted(_updated(statement, last)):
            last[name] = Node(name, place, statement, last.get(name), read, update=True)
        if statement.deletes:
            _forget(statement, last)
            continue
        for name in statement.binds:
            previous = last.get(name) if statement.conditional else None
            last[name] = Node(name, place, statement, previous, read)
    return Graph(last, tuple(stars))


def _forget(statement: Statement, last: dict[str, Node]) -> None:
    for name in () if statement.conditional else statement.binds:
        last.pop(name, None)


def _updated(statement: Statement, last: Mapping[str, Node]) -> set[str]:
    """Return the names whose objects the statement may change.

    Calling a method may change its object; being handed to a function of the notebook may, too; being handed to any
    other function is taken as harmless, or every plot would seem to change what it draws. Modules do not change.
    """
    names = set(statement.updates | statement.files)
    for function, arguments in statement.calls:
        if function in last and last[function].statement.defines_code:
            names |= arguments
    return {name for name in names if name not in last or not _is_module(last[name])}


def _is_module(node: Node) -> bool:
    return bool(node.imported)
