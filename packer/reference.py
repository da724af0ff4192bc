"""What the full environment responds to requests: the measure for each slimmer one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nbslim.packer.exchanges import Exchange
from nbslim.packer.launch import launching
from nbslim.packer.replay import Expected, Run, requests, run_replay
from nbslim.packer.stage import Stage
from nbslim.packer.workspace import MARKER, Workspace

Reference = tuple[Expected, tuple[str, ...]]
"""Requests with responses, and what to warn of."""

SECONDS = 20
"""So long requests are sent: a slow predictor gets fewer of them."""


def serve_in_full(
    stage: Stage,
    workspace: Workspace,
    python: Path,
    *,
    paths: list[Path],
    readable: list[Path],
    sent: Sequence[Exchange],
    network: bool,
) -> Reference:
    """Serve the workspace's bundle in the full environment; return the requests `sent` with responses, and warnings.

    `paths` go on Python's path, the environment's distributions first. Every request is sent twice; what gets two
    different responses cannot be compared. Where a request ends the process, those after it are not sent again.
    """
    arguments = ["-m", "nbslim.runtime.replay", str(workspace.bundle)]
    command = launching(workspace, python, arguments, _variables(workspace, paths))
    line = stage.command(command, folder=workspace.work, readable=readable, network=network)
    run = run_replay(line, {}, requests(sent, passes=2, seconds=SECONDS))
    return _stable(sent, run), tuple(_warnings(sent, run))


def _variables(workspace: Workspace, paths: list[Path]) -> Mapping[str, str]:
    return {
        "HOME": str(workspace.home), "TMPDIR": str(workspace.temporary), "LANG": "C.UTF-8",
        "PATH": "/usr/bin:/bin", "PYTHONPATH": ":".join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", MARKER: str(workspace.folder),
        "NBSLIM_DISTRIBUTIONS": str(paths[0]),
    }  # fmt: skip


def _stable(sent: Sequence[Exchange], run: Run) -> Expected:
    first, second = (*run.responses, (), ())[:2]
    same = [
        (exchange, one)
        for exchange, one, two in zip(sent, first, second, strict=False)
        if one.status and (one == two or not exchange.compared)
    ]
    return Expected(tuple(exchange for exchange, _ in same), tuple(one for _, one in same))


def _warnings(sent: Sequence[Exchange], run: Run) -> list[str]:
    first, second = (*run.responses, (), ())[:2]
    if run.problem and len(second) < len(sent):
        one = sent[len(second if len(first) == len(sent) else first)]
        return [f"the full environment ends at {one.about} ({run.problem}); it is not compared from there on"]
    return []
