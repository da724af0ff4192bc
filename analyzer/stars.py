"""Which star import brings a name that no cell binds, or binds again one that a cell has bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nbslim.analyzer.graph import Graph, Node
from nbslim.analyzer.statement import Imported
from nbslim.analyzer.types import Place

Exported = Callable[[str, str], "bool | None"]
"""Tells whether a star import of a module brings a name; None where that is not known."""


class StarImports:
    """The star imports of all cells, in order; `exports` tells what each brings."""

    def __init__(self, graph: Graph, exports: Exported) -> None:
        self._exports = exports
        self._alone = len(graph.stars) == 1
        self._imports = [
            (where, i) for where, statement in graph.stars for i in statement.imports if i.name == "*"
        ]

    def __bool__(self) -> bool:
        return bool(self._imports)

    def bringing(self, name: str) -> Iterator[tuple[Place, Imported, bool]]:
        """Yield the last one that surely brings a name, and those after it that may, each with how sure that is.

        One that stands alone is sure as well: nothing else can bring the name.
        """
        for where, imported in reversed(self._imports):
            brings = self._exports(imported.module, name) if not imported.level else None
            if brings is not False:
                yield where, imported, brings or self._alone
            if brings:
                return

    def rebinds(self, name: str, node: Node) -> bool:
        """Tell whether one after the last binding of a name surely binds it again."""
        later = (i for where, i in self._imports if where > node.place and not i.level)
        return any(self._exports(imported.module, name) for imported in later)
