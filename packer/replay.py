"""Run every sample in the assembled tree and compare the answers with the notebook's own."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from nbslim.packer.enclosure import Enclosure
from nbslim.packer.exchanges import Exchange

MODEL = "/app/model"
TIMEOUT_SECONDS = 600


class Response(NamedTuple):
    """What came back for one request: status 0 where no response did, and then the problem says why."""

    status: int
    type: str
    body: bytes
    problem: str | None

    def __str__(self) -> str:
        text = self.body[:200].decode("utf-8", "replace")
        return self.problem or f"{self.status} {text}"


@dataclass(frozen=True)
class Expected:
    """Requests, each with the full environment's own response."""

    exchanges: tuple[Exchange, ...] = ()
    responses: tuple[Response, ...] = ()


NOTHING = Expected()


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
    requests: int = 0
    """So many requests had the full environment's own response."""

    @property
    def holds(self) -> bool:
        """Whether every answer is the notebook's own."""
        return self.problem is None


def replay(enclosure: Enclosure, environment: Mapping[str, str], expected: Expected = NOTHING) -> Replay:
    """Replay the bundle's samples with the tree's own Python, modules and libraries, and nothing of the host's.

    The tree's server then gets the requests of `expected`, and must respond as the full environment does.
    """
    arguments = ["-m", "nbslim.runtime.replay", enclosure.path(MODEL)]
    run = run_inside(enclosure, arguments, environment, expected.exchanges)
    return judged(run, enclosure.method, expected)


@dataclass(frozen=True)
class Run:
    """What a replaying process wrote: its report (None: it ended without one), then its responses, pass by pass."""

    report: Mapping[str, Any] | None
    responses: tuple[tuple[Response, ...], ...]
    last: Mapping[str, Any] = field(default_factory=dict)
    """The last line, where that is no response."""
    problem: str | None = None
    """Why there may be less than there should be."""


def run_inside(
    enclosure: Enclosure,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    sent: Sequence[Exchange],
    *,
    seconds: float = TIMEOUT_SECONDS,
) -> Run:
    """Run the tree's Python with `arguments`, which replay; requests are sent for `seconds`."""
    command, variables = enclosure.command(arguments, environment=inside(enclosure, environment))
    return run_replay(command, variables, requests(sent, seconds=seconds))


def requests(sent: Sequence[Exchange], *, passes: int = 1, seconds: float = TIMEOUT_SECONDS) -> str:
    """Return what a replaying process reads: nothing, or the requests as JSON."""
    encoded = [base64.b64encode(one.request).decode() for one in sent]
    return json.dumps({"requests": encoded, "passes": passes, "seconds": seconds}) if sent else ""


def run_replay(command: Sequence[str], variables: Mapping[str, str], text: str) -> Run:
    """Run `command`, give it `text` to read, and return what it wrote.

    It writes to files: of a pipe, what it leaves behind (workers that it forked) would keep the other end.
    """
    with TemporaryFile() as output, TemporaryFile() as told:
        problem = _run(command, variables, text, output, told)
        output.seek(0)
        return _read(output.read(), problem)


def _run(
    command: Sequence[str], variables: Mapping[str, str], text: str, output: IO[bytes], told: IO[bytes]
) -> str | None:
    """Run `command` in a session of its own, end all that it leaves behind, and return what went wrong."""
    with subprocess.Popen(
        command, env=dict(variables), stdin=subprocess.PIPE, stdout=output, stderr=told, cwd="/",
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            process.communicate(text.encode(), TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return f"replay was not done after {TIMEOUT_SECONDS} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    told.seek(0)
    last = told.read().decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"the runtime ended with {process.returncode}: {last}" if process.returncode else None


def _read(output: bytes, problem: str | None) -> Run:
    lines = [json.loads(line) for line in output.split(b"\n")[:-1]]
    responses: dict[int, list[Response]] = {}
    for line in lines[1:]:
        if "status" in line:
            body = base64.b64decode(line["body"])
            one = Response(line["status"], line["type"], body, line["problem"])
            responses.setdefault(line["pass"], []).append(one)
    passes = tuple(tuple(responses[number]) for number in sorted(responses))
    if not lines:
        return Run(None, passes, problem=problem or "the runtime ended without a report")
    return Run(lines[0], passes, {} if "status" in lines[-1] else lines[-1], problem)


def inside(enclosure: Enclosure, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the image's environment variables as programs in `enclosure` need them: its folders by their path."""
    return {name: _paths_inside(enclosure, value) for name, value in environment.items()}


def _paths_inside(enclosure: Enclosure, value: str) -> str:
    return ":".join(enclosure.path(part) if part.startswith("/app") else part for part in value.split(":"))


def judged(
    run: Run, method: str, expected: Expected = NOTHING, sent: Sequence[Exchange] | None = None
) -> Replay:
    """Compare what a process wrote with the notebook's own answers, and with what is expected of requests.

    `sent` are the requests that it got, where these are not just those of `expected`.
    """
    if run.report is None:
        return Replay(0, 0, method, run.problem)
    error, differences = run.report.get("error"), run.report.get("differences") or []
    problem = missing = None
    if error:
        problem, missing = f"{error['type']}: {error['message']}", error.get("module")
    elif differences:
        first = differences[0]
        problem = f"sample {first['index'] + 1}: expected {first['expected']}, got {first['got']}"
        missing = (first.get("error") or {}).get("module")
    responses = run.responses[0] if run.responses else ()
    got = dict(zip(expected.exchanges if sent is None else sent, responses, strict=False))
    problem = problem or run.problem or _difference(got, expected)
    samples, equal = run.report.get("samples", 0), run.report.get("equal", 0)
    counted = len(expected.responses) if problem is None else 0
    return Replay(samples, equal, method, problem, missing, requests=counted)


def _difference(got: Mapping[Exchange, Response], expected: Expected) -> str | None:
    for one, response in zip(expected.exchanges, expected.responses, strict=True):
        if one not in got:
            return f"{one.about}: no response came in time"
        if one.compared and got[one] != response:
            return f"{one.about}: the full environment responds {response}, this one {got[one]}"
    return None
