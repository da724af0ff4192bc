"""Requests as fast as a service answers them, sent by wrk from a process of its own."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from processes import cpu_seconds

_SCRIPT = Path(__file__).with_name("post.lua")


@dataclass(frozen=True)
class Load:
    """What came of one load; `problem` says what was not answered right, if anything."""

    rate: float
    """Requests per second."""
    p50: float
    p99: float
    """Seconds that half, and 99 of 100 requests, took at most."""
    cpu: float
    """Seconds of CPU time that the service's processes took for one request."""
    problem: str | None = None

    @classmethod
    def failed(cls, problem: str) -> Load:
        """Return a load that tells nothing, because of `problem`."""
        return cls(0, 0, 0, 0, problem)


def load(address: str, body: Path, connections: int, seconds: int, process: int) -> Load:
    """Post `body` to `address` over `connections` for `seconds`; `process` is the service's."""
    before = cpu_seconds(process)
    counted = _wrk(address, body, connections, seconds)
    used = cpu_seconds(process) - before
    if counted["not_2xx"]:
        return Load.failed(f"{counted['not_2xx']} of {counted['requests']} answers were errors")
    return Load(
        rate=counted["requests"] / counted["seconds"],
        p50=counted["p50"],
        p99=counted["p99"],
        cpu=used / counted["requests"],
        problem=f"{counted['failed']} requests without an answer" if counted["failed"] else None,
    )


def _wrk(address: str, body: Path, connections: int, seconds: int) -> dict[str, float]:
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--latency",
        "-s",
        _SCRIPT,
        address,
        "--",
        body,
    ]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(ran.stdout.splitlines()[-1])
