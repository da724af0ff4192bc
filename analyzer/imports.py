"""What the cells import, reached by serving or not, and where each module is first imported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.exports import Exports
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import is_standard
from nbslim.analyzer.program import read_program
from nbslim.analyzer.statement import Imported, full_name
from nbslim.analyzer.types import CellImport, Notebook, Place


def cell_imports(notebook: Notebook, installed: Installed) -> tuple[CellImport, ...]:
    """Return every module that a cell imports, in the order in which they come first, with its distribution."""
    local = read_program(notebook).local
    found = (_told(module, place, local, installed) for module, place in _places(notebook).items())
    return tuple(sorted(found, key=lambda one: (one.place, one.module)))


def foreign_imports(notebook: Notebook) -> frozenset[str]:
    """Return the dotted names of all that any cell imports and that does not lie beside the notebook."""
    local = read_program(notebook).local
    return frozenset(module for module in _places(notebook) if not local.has(module))


def _places(notebook: Notebook) -> dict[str, Place]:
    """Map modules to where a cell first imports them, or a module beside the notebook that imports them."""
    program = read_program(notebook)
    places: dict[str, Place] = {}
    for cell, statement in program.statements:
        for imported in (*statement.imports, *statement.body.imports):
            place = Place(cell, imported.line)
            for module in _modules(imported, program.local):
                places[module] = min(place, places.get(module, place))
    return places


def _modules(imported: Imported, local: LocalModules) -> Iterator[str]:
    """Yield the module, and what the local files import that it loads."""
    waiting: list[tuple[Imported, str | None]] = [(imported, None)]
    seen: set[str] = set()
    while waiting:
        one, importer = waiting.pop()
        files = local.files(one, importer)
        if one.module and not one.level and (importer is None or not files):
            yield full_name(one)
        for file in files:
            if file not in seen:
                seen.add(file)
                waiting += [(inner, file) for inner in _imports(file, local)]


def _imports(file: str, local: LocalModules) -> Iterable[Imported]:
    try:
        return list(local.imports(file))
    except NotebookError:
        return ()  # an error only if serving needs it


def _told(module: str, place: Place, local: LocalModules, installed: Installed) -> CellImport:
    if local.has(module):
        return CellImport(module, place, "local")
    if is_standard(module, in_all=installed.provides(module)):
        return CellImport(module, place, "standard")
    if owner := installed.owner(module):
        return CellImport(module, place, "distribution", owner)
    return CellImport(module, place, "namespace" if installed.provides(module) else "missing")


def exported(installed: Installed) -> Callable[[str, str], bool | None]:
    """Return what tells whether a star import of an installed module brings a name; None where that is not known."""

    def source(module: str) -> Path | None:
        found = installed.locate(module)
        return Path(found.file) if found and found.module == module and found.file.endswith(".py") else None

    return Exports(source).brings


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
