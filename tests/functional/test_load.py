"""Many clients at once, while workers are killed or the service is stopped: no answer is wrong, and none is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from client import ask
from visitors import KINDS, SOURCE
from wire import Service, service

SHARED = Path(__file__).parents[1] / "shared"
SECONDS = 60
BETWEEN_KILLS = 5
GENERATORS = 2


@dataclass(frozen=True)
class Kill:
    """A worker's end: from before the signal until the system has closed its connections."""

    worker: int
    begin: float
    end: float


@contextmanager
def visited(port: int, seconds: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Let visitors come from processes of their own."""
    command = [sys.executable, str(SHARED / "visitors.py"), str(port), str(seconds)]
    crowds = [
        subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(GENERATORS)
    ]
    try:
        yield crowds
    finally:
        for crowd in crowds:
            crowd.kill()
            crowd.wait()


def reports(crowds: list[subprocess.Popen[str]]) -> list[dict]:
    return [json.loads(crowd.communicate(timeout=120)[0]) for crowd in crowds]


def workers_of(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(worker) for worker in found if not ended(int(worker))]


def ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(worker: int) -> Kill:
    begin = time.monotonic()
    os.kill(worker, signal.SIGKILL)
    while Path(f"/proc/{worker}").exists():  # a zombie may still have threads, and these the connections
        time.sleep(0.001)
    return Kill(worker, begin, time.monotonic())


def memory(processes: list[int]) -> int:
    """What the processes take up together, in KiB: shared pages are counted once."""
    texts = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in processes]
    return sum(int(size) for text in texts for size in re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE))


def counters(port: int) -> dict[str, float]:
    """The metrics that only ever grow."""
    text = ask(port, "/metrics").body.decode()
    found = re.findall(r"^(\w+_(?:total|bucket|sum|count)(?:{.*})?) (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}


def watch(server: Service) -> tuple[list[Kill], list[int]]:
    """Kill a worker now and then; return these, and the memory of all processes just before.

    The oldest worker is spared until the last time, so that one can be seen to grow.
    """
    kills, sizes = [], []
    before: dict[str, float] = {}
    begin = time.monotonic()
    count = SECONDS // BETWEEN_KILLS - 1
    for number in range(1, count + 1):
        due = begin + number * BETWEEN_KILLS
        while time.monotonic() < due:
            now = counters(server.port)
            assert {name: now.get(name) for name, value in before.items() if now.get(name, -1) < value} == {}
            before = now
            time.sleep(0.4)
        workers = sorted(workers_of(server.process.pid))
        assert len(workers) == 2
        sizes.append(memory([server.process.pid, *workers]))
        kills.append(kill(workers[0] if number == count else workers[-1]))
    return kills, sizes


def was_in_flight(request: dict, kills: list[Kill]) -> bool:
    """Return whether a request without an answer was under way at a worker when that was killed."""
    return any(
        request["began"] <= one.end
        and request["ended"] >= one.begin
        and request["worker"] in {None, one.worker}
        for one in kills
    )


def test_killed_workers_lose_what_they_were_at_and_nothing_else(tmp_path):
    environ = {"NBSLIM_WORKERS": "2", "NBSLIM_THREADS": "2"}
    with service(tmp_path, SOURCE, **environ) as server, visited(server.port, SECONDS) as crowds:
        kills, sizes = watch(server)
        found = reports(crowds)
        workers = workers_of(server.process.pid)
        totals = counters(server.port)
        metrics = ask(server.port, "/metrics").body
        files = [len(list(Path(f"/proc/{worker}/fd").iterdir())) for worker in workers]
        server.process.terminate()
        assert server.process.wait(60) == 0
    assert [line for report in found for line in report["wrong"]] == []
    assert [moment for report in found for moment in report["refused"]] == []
    broken = [request for report in found for request in report["broken"]]
    assert [request for request in broken if not was_in_flight(request, kills)] == [], kills
    assert len(broken) <= GENERATORS * sum(count for _, count, _ in KINDS) * len(kills)
    answered = {
        kind: sum(report["answered"].get(kind, 0) for report in found) for kind in found[0]["answered"]
    }
    assert set(answered) == {"single", "batch", "lines", "bad", "slow"}
    assert min(answered.values()) > 100
    # Every worker that ever was served, the last ones too, and all were replaced.
    assert {one.worker for one in kills} | set(workers) <= {
        worker for report in found for worker in report["workers"]
    }
    assert totals["nbslim_worker_restarts_total"] == len(kills) == SECONDS // BETWEEN_KILLS - 1
    assert b"nbslim_requests_in_flight 1\n" in metrics  # the one that asks
    assert max(files) < 40  # the connections of all visitors are closed
    early, late = statistics.median(sizes[1:4]), statistics.median(sizes[-3:])
    assert late < early * 1.05 + 2000, sizes
    assert server.log.read_text().count("Traceback") == server.log.read_text().count("validator raised")


@pytest.mark.parametrize(
    "environ",
    [
        {"NBSLIM_WORKERS": "1"},
        {"NBSLIM_WORKERS": "1", "NBSLIM_THREADS": "3", "NBSLIM_BATCH_WINDOW_MS": "10"},
        {"NBSLIM_WORKERS": "2", "NBSLIM_THREADS": "2"},
    ],
    ids=["one worker", "batches", "two workers"],
)
def test_stopping_loses_no_request_that_was_sent(environ, tmp_path):
    for number in range(3):
        folder = tmp_path / str(number)
        folder.mkdir()
        with service(folder, SOURCE, **environ) as server, visited(server.port, 30) as crowds:
            while counters(server.port).get('nbslim_requests_total{status="200"}', 0) < 300 * (number + 1):
                time.sleep(0.1)
            moment = time.monotonic()
            server.process.terminate()
            assert server.process.wait(60) == 0
            found = reports(crowds)
        assert [line for report in found for line in report["wrong"]] == []
        broken = [request for report in found for request in report["broken"]]
        assert [request for request in broken if request["sent"] < moment] == []
        assert all(refused > moment for report in found for refused in report["refused"])
        assert sum(report["answered"]["single"] for report in found) > 20
