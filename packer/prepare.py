"""What analyze and pack begin with: the notebook read, its closure found, its environment made."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nbslim.analyzer import (
    Analysis,
    Closure,
    Installed,
    Notebook,
    Requirements,
    analyze,
    declared_distributions,
    declared_extras,
    declared_requirements,
    exported,
    find_closure,
    find_environment,
    foreign_imports,
    importable,
    module_of,
    read_installed,
    read_notebook,
)
from nbslim.packer.cache import running
from nbslim.packer.environments import (
    Environment,
    RequirementsError,
    cache_folder,
    make_environment,
    runtime_requirements,
)
from nbslim.packer.pins import check_pins
from nbslim.packer.pythons import Python, find_python, is_path

if TYPE_CHECKING:
    from nbslim.packer.tools import Tools

DEFAULT_PYTHON = "3.11"


@dataclass(frozen=True)
class Plan:
    """The notebook and all that is known without an environment."""

    notebook: Notebook
    closure: Closure
    requirements: Requirements
    python: str
    """The version or the path of the Python that the user, or else the notebook, names."""
    version: str
    """Of that Python."""


def plan(path: Path, python: str | None = None, entries: Sequence[str] = ()) -> Plan:
    """Read the notebook, find its closure and requirements; `entries` are those that must be there.

    Raises NotebookError.
    """
    notebook = read_notebook(path)
    return _planned(notebook, find_closure(notebook, entries=entries or None), python)


def _planned(notebook: Notebook, closure: Closure, python: str | None) -> Plan:
    requirements = declared_requirements(notebook, _suggesting(notebook, closure))
    named = _named(notebook, python)
    return Plan(notebook, closure, requirements, named, _version(named))


def _suggesting(notebook: Notebook, closure: Closure) -> frozenset[str]:
    """Return the modules that suggest distributions: the imported ones, and those of what is asked for by name."""
    return foreign_imports(notebook) | {module_of(need.name) for need in closure.metadata}


def _named(notebook: Notebook, python: str | None) -> str:
    return python or notebook.python or DEFAULT_PYTHON


def _version(python: str) -> str:
    return find_python(python).version if is_path(python) else python


def install(found: Plan, python: Python, tools: Tools, *, anew: bool = False) -> Environment:
    """Make the notebook's environment; RequirementsError then names cell and line of the requirement.

    With `anew`, the requirements are resolved again, whatever is remembered.
    """
    specifiers = found.requirements.specifiers
    try:
        return make_environment(python, specifiers, cache=tools.cache, run=tools.uv, anew=anew)
    except RequirementsError as error:
        raise _located(found, error) from error


def decided(found: Plan, installed: Installed) -> Plan:
    """Return the plan with its closure as the modules decide it that can be imported where the notebook runs."""
    return replace(found, closure=_closure(found.notebook, installed, tuple(found.closure.entry_points)))


def analyze_notebook(
    path: Path, *, python: str | None, entries: Sequence[str] = (), log: Callable[[str], None]
) -> Analysis:
    """Return what serving needs of the notebook's dependencies, without executing anything of it.

    Raises NotebookError, and RequirementsError for a Python that is not here or requirements that do not install.
    """
    from nbslim.packer.tools import Tools  # noqa: PLC0415 - an analysis without a new environment has no time for it

    found, tools = plan(path, python, entries), Tools(cache_folder(os.environ))
    interpreter = tools.find(found.python)
    count = len(found.requirements.specifiers)
    log(f"{path.name}: resolving {count} requirements for Python {interpreter.version}")
    with running(tools.cache):
        installed = installed_in(install(found, interpreter, tools), found.requirements)
        found = decided(found, installed)
        return settled(found, found.closure, installed)


def analyze_in(
    path: Path, environment: Path, *, python: str | None = None, entries: Sequence[str] = ()
) -> Analysis:
    """Return the same for an environment that is there already: a prefix, a site-packages folder, an interpreter.

    Raises NotebookError, and RequirementsError for what is no environment.
    """
    existing = find_environment(environment)
    notebook = read_notebook(path)
    version = _version(_named(notebook, python or existing.python))
    installed = read_installed(existing.site_packages, python=version)
    found = _planned(notebook, _closure(notebook, installed, entries), version)
    return settled(found, found.closure, installed)


def _closure(notebook: Notebook, installed: Installed, entries: Sequence[str]) -> Closure:
    provides, exports = importable(notebook, installed), exported(installed)
    return find_closure(notebook, entries=entries or None, provides=provides, exports=exports)


def analyze_offline(path: Path, *, python: str | None = None, entries: Sequence[str] = ()) -> Analysis:
    """Return what names alone tell: no environment, so neither sizes nor what distributions require.

    Raises NotebookError.
    """
    found = plan(path, python, entries)
    modules = _suggesting(found.notebook, found.closure)
    named = declared_distributions(found.requirements, modules, python=found.version)
    analysis = settled(found, found.closure, named)
    told = f"{path.name}: nothing is installed, so what distributions require, and their sizes, are not known"
    return replace(analysis, warnings=(*analysis.warnings, told))


def installed_in(environment: Environment, requirements: Requirements) -> Installed:
    """Return the distributions of `environment`, markers evaluated for its own Python.

    Where several of them install one module, that of `requirements` provides it.
    """
    installed = read_installed([environment.site_packages], python=environment.python.version)
    return installed.preferring(declared_extras(requirements))


def settled(found: Plan, closure: Closure, installed: Installed) -> Analysis:
    """Return the analysis of `closure`, the plan's own or what execution made of it."""
    minor = ".".join(found.version.split(".")[:2])
    return analyze(
        found.notebook,
        closure,
        installed,
        python=minor,
        requirements=found.requirements,
        before=found.closure,
    )


def check_kept(found: Plan, kept: Mapping[str, str]) -> None:
    """Raise RequirementsError for a kept version of a distribution that the runtime does not work with."""
    try:
        check_pins(kept, runtime_requirements())
    except RequirementsError as error:
        raise _located(found, error) from error


def _located(found: Plan, error: RequirementsError) -> RequirementsError:
    """Put notebook, cell and line of the offending requirement in front of the message."""
    name = re.split(r"[^A-Za-z0-9._-]", error.specifier or "", maxsplit=1)[0]
    where = found.notebook.path.name
    for cell in found.notebook.cells if name else ():
        for number, line in enumerate(cell.source.splitlines(), 1):
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", line, re.IGNORECASE):
                located = f"{where}, cell {cell.number}, line {number}: {error}"
                return RequirementsError(located, hint=error.hint, specifier=error.specifier)
    return RequirementsError(f"{where}: {error}", hint=error.hint, specifier=error.specifier)
