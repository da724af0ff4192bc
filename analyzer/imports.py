"""What the cells import, reached by serving or not, and where each module is first imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import is_standard
from nbslim.analyzer.program import read_program
from nbslim.analyzer.statement import Imported
from nbslim.analyzer.types import CellImport, Notebook, Place
from nbslim.analyzer.walk import full_name


def cell_imports(notebook: Notebook, installed: Installed) -> tuple[CellImport, ...]:
    """Return every module that a cell imports, in the order in which they come first, with its distribution."""
    program = read_program(notebook)
    found: dict[str, CellImport] = {}
    for cell, statement in program.statements:
        for imported in _absolute((*statement.imports, *statement.body.imports)):
            module = full_name(imported)
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


def importable(notebook: Notebook, installed: Installed) -> Callable[[str], bool | None]:
    """Return what tells whether importing a module works in an environment; None where that depends on more."""
    local = LocalModules.beside(notebook)

    def works(module: str) -> bool | None:
        if installed.provides(module):
            # what is taken from a package may be in other versions of it alone
            return None if "." in module else True
        if is_standard(module):
            return True if is_standard(module, in_all=True) else None
        return local.has(module)

    return works
