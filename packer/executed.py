"""The notebook run once, and the closure as the pickle of its entry points settles it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from nbslim.analyzer import (
    Analysis,
    Closure,
    Installed,
    NotebookError,
    Pickled,
    Reference,
    RequirementsError,
    declared_extras,
    find_closure,
    find_environment,
    read_installed,
    read_model,
    settle_pickled,
)
from nbslim.packer.bundle import read_entry_points
from nbslim.packer.cache import running
from nbslim.packer.environments import cache_folder
from nbslim.packer.errors import ExecutionError
from nbslim.packer.execute import Choose, Execution, execute
from nbslim.packer.folder import copy_folder
from nbslim.packer.options import Settings
from nbslim.packer.prepare import Plan, decided, install, installed_in, plan, settled
from nbslim.packer.stage import HostStage, Stage
from nbslim.packer.tools import Tools
from nbslim.packer.workspace import Workspace, open_workspace


def analyze_executed(
    path: Path,
    existing: Path | None = None,
    *,
    python: str | None = None,
    entries: Sequence[str] = (),
    settings: Settings,
    log: Callable[[str], None],
) -> Analysis:
    """Run the notebook on this machine and return what its entry points really need; nothing else is left of it.

    It runs in the environment `existing`, or in one made for it. Raises NotebookError, RequirementsError or
    ExecutionError.
    """
    tools = Tools(cache_folder(os.environ))
    with running(tools.cache):
        return _analyzed(path, existing, tools, python=python, entries=entries, settings=settings, log=log)


def _analyzed(
    path: Path,
    existing: Path | None,
    tools: Tools,
    *,
    python: str | None,
    entries: Sequence[str],
    settings: Settings,
    log: Callable[[str], None],
) -> Analysis:
    if existing:
        executable, site_packages = _interpreter(existing), find_environment(existing).site_packages
        found = plan(path, python or find_environment(existing).python, entries)
        installed = read_installed(site_packages, python=found.version)
        installed = installed.preferring(declared_extras(found.requirements))
        _check_kernel(existing, installed)
    else:
        found = plan(path, python, entries)
        environment = install(found, tools.find(found.python), tools)
        executable, installed = environment.executable, installed_in(environment, found.requirements)
    found = decided(found, installed)
    asked = replace(settings, entries=tuple(found.closure.entry_points), answers=False)
    log(f"{path.name}: running {len(found.notebook.cells)} cells with Python {found.version}")
    with open_workspace(tools.cache) as workspace:
        copy_folder(found.notebook, workspace.work)
        run_notebook(found, HostStage(tools), workspace, executable, runtime=None, settings=asked)
        pickled = read_bundle(found, workspace)
    return settled(found, settled_closure(found.closure, installed, pickled), installed)


def _interpreter(existing: Path) -> Path:
    """Return the interpreter of an environment: of a prefix, of a site-packages folder, or the file itself."""
    if existing.is_file():
        return existing.absolute()
    prefixes = (existing.absolute(), *existing.absolute().parents[2:3])
    candidates = [prefix / "bin" / name for prefix in prefixes for name in ("python", "python3")]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    message = f"{existing}: there is no bin/python to run the notebook with"
    raise RequirementsError(message, hint="name the environment's own folder, or its interpreter")


def _check_kernel(existing: Path, installed: Installed) -> None:
    if not installed.provides("ipykernel"):
        message = f"{existing}: ipykernel is not installed there, and the notebook runs in it"
        raise RequirementsError(
            message, hint=f"install it: {_interpreter(existing)} -m pip install ipykernel"
        )


def run_notebook(
    found: Plan,
    stage: Stage,
    workspace: Workspace,
    executable: Path,
    *,
    runtime: Path | None,
    settings: Settings,
    choose: Choose = lambda: (),
    readable: Sequence[Path] = (),
) -> Execution:
    """Run the cells in the copy of their folder; the workspace then holds the bundle. Raises ExecutionError."""
    return execute(
        found.notebook,
        stage,
        workspace,
        executable,
        runtime=runtime,
        readable=[*readable, Path(__file__).parent],
        settings=settings,
        choose=choose,
    )


def settled_closure(
    closure: Closure, installed: Installed, pickled: Pickled, added: frozenset[str] = frozenset()
) -> Closure:
    """Return the closure as the pickled entry points decide it; `added` modules are needed whatever they hold."""

    @cache
    def required(library: str) -> set[str]:
        owner = installed.owner(library)
        return installed.required_by_all([owner]) if owner else set()

    def brings(library: str, module: str) -> bool:
        return installed.owner(module) in required(library)

    return settle_pickled(closure, pickled, brings=brings, added=added)


def read_bundle(found: Plan, workspace: Workspace) -> Pickled:
    """Read the pickled entry points, and the model files in the notebook's folder that they open by name.

    Raises ExecutionError where one of them refers to the notebook itself: the image has none to find it in.
    """
    pickled = read_entry_points(workspace.bundle)
    needs = [n for n in found.closure.files if n.certainty == "certain" or n.function in pickled.functions]
    for name in sorted({need.name for need in needs} | pickled.files):
        path = workspace.work / name
        if path.resolve().is_relative_to(workspace.work.resolve()) and path.is_file():
            pickled = _with_model(pickled, found, name, path)
    to_notebook = [one for one in pickled.references if one.found.module == "__main__"]
    if to_notebook:
        raise _reference_to_notebook(found, to_notebook[0])
    return pickled


def _with_model(pickled: Pickled, found: Plan, name: str, path: Path) -> Pickled:
    try:
        model = read_model(path)
    except ValueError as error:
        message = f"{found.notebook.path.name}: the file {name}, which serving opens, cannot be read: {error}"
        hint = "write it again, uncompressed or with zlib, so that its needs can be seen"
        raise ExecutionError(message, hint=hint) from error
    return pickled.with_file(name, model) if model else pickled


def _reference_to_notebook(found: Plan, reference: Reference) -> ExecutionError:
    """Say what refers to the notebook, and where that is defined."""
    name = reference.found.name.partition(".")[0]
    where = found.notebook.path.name
    with suppress(NotebookError):
        where += f", {find_closure(found.notebook, entries=[name]).entry_points[name]}"
    path = " → ".join(reference.path)
    lost = "by its name in the notebook, which is not there where it is served"
    if reference.path[-1:] == (name,):
        message = f"{where}: {path} is pickled {lost}"
        hint = f"a decorator such as functools.lru_cache does this: take it off {name}, or move {name} to a module"
    else:
        message = f"{where}: {path} holds {name} {lost}"
        hint = f"define {name} in a module beside the notebook, and import it from there"
    return ExecutionError(message, hint=hint)
