"""Run the notebook once, in order, in a stage; what it leaves behind is the bundle."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from nbslim.analyzer import Cell, Notebook, ServingEffect
from nbslim.packer.batches import UNSCORED, Batches
from nbslim.packer.errors import ExecutionError
from nbslim.packer.kernel import Kernel, start_kernel
from nbslim.packer.options import PASSED_ON, Settings
from nbslim.packer.own import place_own_cloudpickle, place_own_inside, place_own_runtime
from nbslim.packer.stage import Stage
from nbslim.packer.workspace import MARKER, Workspace
from tqdm import tqdm

_INSIDE = Path(__file__).with_name("inside_kernel.py")

Choose = Callable[[], tuple[ServingEffect, ...]]
"""Tells from the bundle which changes that cells made are made again when it is loaded."""


@dataclass(frozen=True)
class Execution:
    """What the run showed: counts of samples, and the local modules that were loaded."""

    samples: int
    unstable: int
    unusable: tuple[str, ...]
    local_modules: Mapping[str, str]
    """Their names, with their files as paths relative to the notebook's folder."""
    batches: Batches = UNSCORED


def execute(
    notebook: Notebook,
    stage: Stage,
    workspace: Workspace,
    python: Path,
    *,
    runtime: Path | None,
    readable: list[Path],
    settings: Settings,
    choose: Choose = lambda: (),
) -> Execution:
    """Run all cells with the interpreter `python`, then write entry points and samples into the bundle's folder.

    `runtime` holds cloudpickle, None: nbslim's own is lent; it comes last on the kernel's path, with
    `nbslim.runtime` beside it. `choose` is asked once the entry points are written.
    Raises ExecutionError with cell and line where a cell fails, does not end, or the result cannot be pickled.
    """
    variables = _variables(workspace, python, settings)
    place_own_runtime(workspace.own)
    place_own_inside(workspace.own)
    if runtime is None:
        place_own_cloudpickle(workspace.own)
    cells = [cell for cell in notebook.cells if "skip-execution" not in cell.tags and cell.source.strip()]
    with start_kernel(
        stage, workspace, python, readable=readable, variables=variables, network=settings.network
    ) as kernel:
        _set_up(kernel, cells, [*([runtime] if runtime else []), workspace.own], settings)
        _run_cells(notebook, cells, kernel, settings)
        folders = [repr(str(folder)) for folder in (workspace.bundle, workspace.work)]
        finish = _call("finish", "get_ipython()", repr(settings.entries), *folders)
        report = _checked(notebook, kernel.evaluate("", finish))
        made = _seal(notebook, kernel, workspace, settings, choose)
        if not settings.answers:
            return Execution(0, 0, (), report["modules"])
        answers = _answers(kernel, workspace, settings, made)
    unusable = tuple(f"sample {number}: {reason}" for number, reason in answers["unusable"])
    batches = Batches(*answers["batch"])
    return Execution(answers["samples"], answers["unstable"], unusable, report["modules"], batches)


def _seal(
    notebook: Notebook, kernel: Kernel, workspace: Workspace, settings: Settings, choose: Choose
) -> list[Any]:
    """Put the chosen effects before the entry points, until what they hold asks for no other ones; return them."""
    sealed: tuple[ServingEffect, ...] = ()
    made: list[Any] = []
    while (chosen := choose()) != sealed:
        made = [(effect.place.cell, effect.place.line, effect.replay) for effect in chosen]
        arguments = (repr(settings.entries), repr(made), repr(str(workspace.bundle)))
        _checked(notebook, kernel.evaluate("", _call("seal", "get_ipython()", *arguments)))
        sealed = chosen
    return made


def _answers(kernel: Kernel, workspace: Workspace, settings: Settings, effects: list[Any]) -> dict[str, Any]:
    given = workspace.folder / "samples.json"
    given.write_text(json.dumps(settings.samples))
    aside = workspace.folder / "aside"
    aside.mkdir()
    files = [repr(str(path)) for path in (given, workspace.bundle, aside)]
    call = _call("answer", "get_ipython()", f"{_MODULE}.recorder", repr(effects), *files)
    answers: dict[str, Any] = kernel.evaluate("", call)
    return answers


def _variables(workspace: Workspace, python: Path, settings: Settings) -> dict[str, str]:
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    path = os.pathsep.join([str(python.parent), "/usr/local/bin", "/usr/bin", "/bin"])
    own = {
        "PATH": path, "HOME": str(workspace.home), "TMPDIR": str(workspace.temporary), "LANG": "C.UTF-8",
        "IPYTHONDIR": str(workspace.home / ".ipython"), "PYTHONHASHSEED": "0", "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return {**passed, **own, **(settings.variables or {}), MARKER: str(workspace.folder)}


def _set_up(kernel: Kernel, cells: list[Cell], paths: list[Path], settings: Settings) -> None:
    recorded = settings.entries[0] if settings.answers else None
    numbered = json.dumps([(cell.number, cell.source) for cell in cells])
    code = f"""
import importlib.util as __util, sys as __sys, json as __json
__sys.path.extend({list(map(str, paths))!r})
__spec = __util.spec_from_file_location("_nbslim_inside", {str(_INSIDE)!r})
__sys.modules["_nbslim_inside"] = __util.module_from_spec(__spec)
__spec.loader.exec_module(__sys.modules["_nbslim_inside"])
__sys.modules["_nbslim_inside"].recorder = __sys.modules["_nbslim_inside"].set_up(
    get_ipython(), __json.loads({numbered!r}), {recorded!r})
del __util, __sys, __json, __spec
"""
    kernel.evaluate(code, "'null'")


_MODULE = "__import__('sys').modules['_nbslim_inside']"


def _call(function: str, *arguments: str) -> str:
    """Return an expression for the kernel that calls a function of the inside module and gives its result as JSON.

    `arguments` are expressions, too.
    """
    return f"__import__('json').dumps({_MODULE}.{function}({', '.join(arguments)}))"


def _run_cells(notebook: Notebook, cells: list[Cell], kernel: Kernel, settings: Settings) -> None:
    nodes = [_node(cell) for cell in cells]
    document = NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=nodes)
    client = NotebookClient(document, km=kernel.manager, timeout=settings.timeout, allow_errors=False)
    client.kc = kernel.client
    for index, cell in enumerate(tqdm(cells, desc="cells", unit="cell", leave=False)):
        try:
            client.execute_cell(nodes[index], index)
        except CellTimeoutError as error:
            message = f"{_where(notebook, cell.number, 1)}: not done after {settings.timeout} s"
            raise ExecutionError(message, hint="allow more with --timeout SECONDS") from error
        except DeadKernelError as error:
            message = f"{_where(notebook, cell.number, 1)}: the kernel died while this cell ran"
            raise ExecutionError(message, hint="it may have run out of memory") from error
        except CellExecutionError as error:
            _raise_failure(notebook, cell, kernel, error)


def _node(cell: Cell) -> NotebookNode:
    metadata = NotebookNode(tags=sorted(cell.tags))
    return NotebookNode(
        cell_type="code", source=cell.source, metadata=metadata, outputs=[], execution_count=None
    )


def _raise_failure(notebook: Notebook, cell: Cell, kernel: Kernel, error: CellExecutionError) -> NoReturn:
    failure = kernel.evaluate("", _call("failure", str(cell.number)))
    where = _where(notebook, cell.number, failure["line"] or 1)
    first_line = (error.evalue or "").partition("\n")[0]
    message = f"{where}: {error.ename}: {first_line}" if first_line else f"{where}: {error.ename}"
    raise ExecutionError(message) from error


def _checked(notebook: Notebook, report: dict[str, Any]) -> dict[str, Any]:
    if report.get("error") == "entry":
        message = f"{notebook.path.name}: {report['names'][0]} is not callable once all cells have run"
        raise ExecutionError(message)
    if report.get("error") == "pickle":
        _raise_unpicklable(notebook, report)
    return report


def _raise_unpicklable(notebook: Notebook, report: dict[str, Any]) -> NoReturn:
    chain = report["chain"]
    cells = [(link["file"], link["line"]) for link in chain if link.get("file", "").startswith("<cell ")]
    where = notebook.path.name
    if cells:
        file, line = cells[-1]
        where = _where(notebook, int(file.strip("<>").split()[1]), line)
    names = " → ".join(link["name"] for link in chain)
    kind = chain[-1]["type"] if chain else "a value"
    message = f"{where}: {names} is a {kind}, which cannot be pickled ({report['message']})"
    hint = "make it inside the function that uses it, or keep what serving needs in plain values"
    raise ExecutionError(message, hint=hint)


def _where(notebook: Notebook, cell: int, line: int) -> str:
    return f"{notebook.path.name}, cell {cell}, line {line}"
