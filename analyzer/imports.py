"""What the cells import, reached by serving or not, and where each module is first imported."""

from __future__ import annotations

from collections.abc import Iterable

from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import is_standard
from nbslim.analyzer.program import read_program
from nbslim.analyzer.statement import Imported
from nbslim.analyzer.types import CellImport, Notebook, Place


def cell_imports(notebook: Notebook, installed: Installed) -> tuple[CellImport, ...]:
    """Return every module that a cell imports, in the order in which they come first, with its distribution."""
    program = read_program(notebook)
    found: dict[str, CellImport] = {}
    for cell, statement in program.statements:
        for imported in _absolute((*statement.imports, *statement.body.imports)):
            module = imported.module if imported.name in (None, "*") else f"{imported.module}.{imported.name}"
            place = Place(cell, imported.line)
            if module not in found or place < found[module].place:
                found[module] = _told(module, place, imported, program.local, installed)
    return tuple(sorted(found.values(), key=lambda one: (one.place, one.module)))


def _absolute(imports: Iterable[Imported]) -> Iterable[Imported]:
    return (imported for imported in imports if imported.module and not imported.level)


def _told(
    module: str, place: Place, imported: Imported, local: LocalModules, installed: Installed
) -> CellImport:
    if local.files(imported) or local.has(module):
        return CellImport(module, place, "local")
    if is_standard(module, in_all=installed.provides(module)):
        return CellImport(module, place, "standard")
    if owner := installed.owner(module):
        return CellImport(module, place, "distribution", owner)
    return CellImport(module, place, "namespace" if installed.provides(module) else "missing")
