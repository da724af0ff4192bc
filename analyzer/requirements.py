"""What the user declared: in a cell, in a file beside the notebook, by `%pip install`, or by importing it."""

from __future__ import annotations

from collections.abc import Collection

from nbslim.analyzer.errors import shown
from nbslim.analyzer.known_distributions import distribution_of
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import SHARED, is_standard
from nbslim.analyzer.requirements_cell import from_cells
from nbslim.analyzer.requirements_files import Collected, from_files, read_file
from nbslim.analyzer.types import Notebook, Place, Requirements
from packaging.requirements import InvalidRequirement, Requirement


def declared_requirements(notebook: Notebook, modules: Collection[str]) -> Requirements:
    """Return the first that is there: a cell, a file beside the notebook, `%pip install`, what `modules` suggest."""
    if declared := from_cells(notebook) or from_files(notebook.folder):
        return declared
    installed = _from_installs(notebook)
    if installed.specifiers:
        return installed
    guessed = _from_modules(notebook, modules)
    return Requirements(guessed.specifiers, guessed.source, installed.warnings + guessed.warnings)


def _from_installs(notebook: Notebook) -> Requirements:
    collected = Collected()
    for cell in notebook.cells:
        for text, line in cell.installs:
            where = f"{notebook.path.name}, {Place(cell.number, line)}"
            if text.startswith("-r "):
                read_file(notebook.folder / text[3:], where, collected)
            else:
                _read_install(text, where, collected)
    return collected.as_requirements("%pip install lines")


def _read_install(text: str, where: str, into: Collected) -> None:
    """Take what pip would fetch by name; the notebook itself installs the rest when it runs."""
    try:
        into.specifiers.append(str(Requirement(text)))
    except InvalidRequirement:
        what = f"option {text}" if text.startswith("-") else f"`{shown(text)}`"
        into.warnings.append(f"{where}: {what} is passed over")


def _from_modules(notebook: Notebook, modules: Collection[str]) -> Requirements:
    local = LocalModules.beside(notebook)
    foreign = sorted(m for m in modules if not is_standard(m) and not local.has(m))
    shared = [module for module in foreign if module in SHARED]
    names = sorted({distribution_of(module) for module in foreign if module not in SHARED})
    told = [f"nothing declares the requirements; the imports suggest {', '.join(names)}"] if names else []
    told += [f"no distribution is known for the module {module}; declare it" for module in shared]
    return Requirements(tuple(names), "the imports", tuple(told))
