"""The notebook run once, and the closure as the pickle of its entry points settles it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from nbslim.analyzer import Analysis, Closure, pickled_functions, pickled_modules, settle
from nbslim.packer.environments import Environment, cache_folder, make_runtime, runtime_requirements
from nbslim.packer.errors import ExecutionError
from nbslim.packer.execute import Execution, Settings, copy_folder, execute
from nbslim.packer.prepare import Plan, install, installed_in, plan, settled
from nbslim.packer.stage import HostStage, Stage
from nbslim.packer.tools import Tools
from nbslim.packer.workspace import Workspace, open_workspace


def analyze_executed(
    path: Path, *, python: str | None, settings: Settings, log: Callable[[str], None]
) -> Analysis:
    """Run the notebook on this machine and return what its entry points really need; nothing else is left of it.

    Raises NotebookError, RequirementsError or ExecutionError.
    """
    cache = cache_folder(os.environ)
    found, tools = plan(path, python), Tools(cache)
    interpreter = tools.find(found.version)
    environment = install(found, interpreter, tools)
    runtime = make_runtime(interpreter, _pickling(), cache=cache, run=tools.uv)
    asked = replace(settings, entries=tuple(found.closure.entry_points), answers=False)
    log(f"{path.name}: running {len(found.notebook.cells)} cells with Python {interpreter.version}")
    with open_workspace(cache) as workspace:
        run_notebook(found, environment, runtime, HostStage(tools), workspace, asked)
        closure = settled_closure(found, workspace)
    return settled(found, closure, installed_in(environment))


def _pickling() -> list[str]:
    """Return what the kernel needs of the runtime's requirements where nothing is served."""
    return [text for text in runtime_requirements() if text.startswith("cloudpickle")]


def run_notebook(
    found: Plan,
    environment: Environment,
    runtime: Path,
    stage: Stage,
    workspace: Workspace,
    settings: Settings,
) -> Execution:
    """Run the cells in a copy of the notebook's folder; the workspace then holds the bundle. Raises ExecutionError."""
    copy_folder(found.notebook, workspace.work)
    readable = [environment.folder, runtime, Path(__file__).parent]
    if stage.tools.root == Path("/"):
        readable.append(environment.python.prefix)
    return execute(
        found.notebook,
        stage,
        workspace,
        environment.executable,
        runtime=runtime,
        readable=readable,
        settings=settings,
    )


def settled_closure(found: Plan, workspace: Workspace, added: frozenset[str] = frozenset()) -> Closure:
    """Return the closure as the pickle in the workspace's bundle decides it, `added` modules included.

    Raises ExecutionError where the pickle refers to the notebook itself.
    """
    pickled = (workspace.bundle / "entry_points.pickle").read_bytes()
    return settle(found.closure, loaded_modules(found, pickled) | added, pickled_functions(pickled))


def loaded_modules(found: Plan, pickled: bytes) -> frozenset[str]:
    """Return the modules that the pickled entry points refer to. Raises ExecutionError for the notebook itself."""
    modules = pickled_modules(pickled)
    if "__main__" in modules:
        message = (
            f"{found.notebook.path.name}: the pickled predictor refers to the notebook by name (__main__)"
        )
        hint = "remove a decorator such as lru_cache from it, or move it to a module"
        raise ExecutionError(message, hint=hint)
    # The runtime brings cloudpickle; that the kernel pickled with it says nothing of the notebook.
    return frozenset(module for module in modules if module.partition(".")[0] != "cloudpickle")
