"""Replay in the draft tree while recording what of it is reached."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbslim.packer.enclosure import Enclosure
from nbslim.packer.exchanges import Exchange
from nbslim.packer.reference import SECONDS
from nbslim.packer.replay import Expected, Replay, judged, run_inside

_SCRIPTS = ("__init__.py", "inside_trace.py", "inside_closure.py", "inside_imports.py")
_FOLDER = "app/trace"


Edges = Mapping[str, Mapping[str, bool]]
"""For each module those that it imports, each with whether it is seen to do without it."""


@dataclass(frozen=True)
class Possible:
    """What a trace reached, and what all functions would, of the modules of which it entered one."""

    modules: Mapping[str, str]
    edges: Edges


@dataclass(frozen=True)
class Trace:
    """What a replay in a tree reached. Files are paths relative to the tree, and do exist there."""

    modules: Mapping[str, str]
    """Every module that was loaded or that the code which was entered may import, with its file."""
    loaded: frozenset[str]
    edges: Edges
    possible: Possible
    missed: Mapping[str, Sequence[str]]
    """Modules that were asked for and are not in the tree, with who asked."""
    opened: frozenset[str]
    listed: frozenset[str]
    """Folders whose entries were asked for."""
    libraries: frozenset[str]
    """All that was mapped into memory."""
    lines: int
    """Lines of the notebook's own functions, and how many of them ran."""
    entered: int


def traced(
    enclosure: Enclosure,
    environment: Mapping[str, str],
    sent: Sequence[Exchange],
    measure: Callable[[], Expected],
    wanted: Sequence[str] = (),
) -> tuple[Replay, Trace | None]:
    """Replay as `replay` does; where that holds, return also what it reached, with the modules `wanted`.

    The requests `sent` need not wait for what the full environment responds to them, which `measure` gives. Where
    that responds to fewer, because one ends the process or takes long, only those are sent, once more.
    """
    with _recording(enclosure, environment) as variables:
        arguments = ["-m", "nbslim.packer.inside_trace", enclosure.path("/app/model"), *wanted]
        run = run_inside(enclosure, arguments, variables, sent, seconds=SECONDS)
        expected = measure()
        result = judged(run, enclosure.method, expected, sent)
        if not result.holds and 0 < result.samples == result.equal:
            run = run_inside(enclosure, arguments, variables, expected.exchanges)
            result = judged(run, enclosure.method, expected)
    return result, _read(enclosure.tree, run.last) if "modules" in run.last else None


@contextmanager
def _recording(enclosure: Enclosure, environment: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Lay the recorder into the tree for this block; yields the variables by which Python finds it there."""
    scripts = enclosure.tree / _FOLDER / "nbslim/packer"
    scripts.mkdir(parents=True)
    for name in _SCRIPTS:
        shutil.copyfile(Path(__file__).with_name(name), scripts / name)
    try:
        yield {**environment, "PYTHONPATH": f"{environment['PYTHONPATH']}:/{_FOLDER}"}
    finally:
        shutil.rmtree(enclosure.tree / _FOLDER)


def _read(tree: Path, report: Mapping[str, Any]) -> Trace:
    def files(paths: Sequence[str]) -> Iterator[str]:
        relative = (_relative(tree, path) for path in paths)
        return (path for path in relative if path and (tree / path).is_file())

    def modules(found: Mapping[str, str | None]) -> dict[str, str]:
        inside = ((name, _relative(tree, path)) for name, path in found.items() if path)
        return {name: path for name, path in inside if path and (tree / path).is_file()}

    possible = report["possible"]
    return Trace(
        modules=modules(report["modules"]),
        loaded=frozenset(report["loaded"]),
        edges=report["edges"],
        possible=Possible(modules(possible["modules"]), possible["edges"]),
        missed=report["missed"],
        opened=frozenset(files(report["opened"])),
        listed=frozenset(filter(None, (_relative(tree, path) for path in report["listed"]))),
        libraries=frozenset(files(report["libraries"])),
        lines=report["lines"],
        entered=report["entered"],
    )


def _relative(tree: Path, path: str) -> str | None:
    """Return `path`, a real one, relative to the tree; what a tree cannot hold (a pseudo file) is None."""
    inside = os.path.normpath(path.removeprefix(str(tree))).lstrip("/")
    return None if inside.startswith(("..", "proc/", "dev/", "sys/")) else inside
