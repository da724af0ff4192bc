"""Run every sample in the assembled tree and compare the answers with the notebook's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbslim.packer.enclosure import Enclosure

MODEL = "/app/model"
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Replay:
    """What came back: how many samples there were, how many answers were equal, and what went wrong."""

    samples: int
    equal: int
    method: str
    problem: str | None = None
    """One line, or None where all is equal."""
    missing_module: str | None = None
    """The module that serving asked for and the tree does not hold."""

    @property
    def holds(self) -> bool:
        """Whether every answer is the notebook's own."""
        return self.problem is None


def replay(enclosure: Enclosure, environment: Mapping[str, str]) -> Replay:
    """Replay the bundle's samples with the tree's own Python, modules and libraries, and nothing of the host's."""
    command, variables = enclosure.command(
        ["-m", "nbslim.runtime.replay", enclosure.path(MODEL)], environment=inside(enclosure, environment)
    )
    try:
        result = subprocess.run(
            command,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        return Replay(0, 0, enclosure.method, f"replay was not done after {TIMEOUT_SECONDS} s")
    try:
        report = json.loads(result.stdout)
    except ValueError:
        last = result.stderr.strip().rpartition("\n")[2]
        return Replay(0, 0, enclosure.method, f"the runtime ended with {result.returncode}: {last}")
    return _judged(report, enclosure.method)


def inside(enclosure: Enclosure, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the image's environment variables as programs in `enclosure` need them: its folders by their path."""
    return {name: _paths_inside(enclosure, value) for name, value in environment.items()}


def _paths_inside(enclosure: Enclosure, value: str) -> str:
    return ":".join(enclosure.path(part) if part.startswith("/app") else part for part in value.split(":"))


def _judged(report: Mapping[str, Any], method: str) -> Replay:
    error, differences = report.get("error"), report.get("differences") or []
    problem = missing = None
    if error:
        problem, missing = f"{error['type']}: {error['message']}", error.get("module")
    elif differences:
        first = differences[0]
        problem = f"sample {first['index'] + 1}: expected {first['expected']}, got {first['got']}"
        missing = (first.get("error") or {}).get("module")
    return Replay(report.get("samples", 0), report.get("equal", 0), method, problem, missing)
