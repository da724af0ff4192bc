"""What import statements bring."""

from __future__ import annotations

import libcst as cst
from nbslim.analyzer.statement import Imported
from nbslim.analyzer.syntax.nodes import alias, dotted
from nbslim.analyzer.syntax.visiting import Visitor


def imports_of(node: cst.CSTNode) -> list[Imported]:
    """Return what the import statements in a node bring, without lines."""
    visitor = _Imports()
    visitor.walk(node)
    return visitor.found


def imported_in(block: cst.BaseSuite) -> tuple[str, ...]:
    """Return the modules that a block imports by their whole names."""
    return tuple(imported.module for imported in imports_of(block) if not imported.level)


class _Imports(Visitor):
    """Collects imports alone."""

    def __init__(self) -> None:
        self.found: list[Imported] = []

    def visit_Import(self, node: cst.Import) -> None:
        for name in node.names:
            module = dotted(name.name)
            self.found.append(Imported(module, 0, bound=alias(name) or module.partition(".")[0]))

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        module, level = dotted(node.module) if node.module else "", len(node.relative)
        if isinstance(node.names, cst.ImportStar):
            self.found.append(Imported(module, 0, name="*", level=level))
            return
        for name in node.names:
            self.found.append(Imported(module, 0, dotted(name.name), alias(name) or dotted(name.name), level))
