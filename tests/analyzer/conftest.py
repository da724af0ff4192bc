"""How long real notebooks took, in a table at the end, and a limit for each."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager

import pytest

SECONDS = pytest.StashKey[dict[str, tuple[int, float]]]()
LIMIT = 120


@pytest.fixture
def timed(request):
    """Measure the time that is spent on a notebook, and end what hangs."""
    seconds = request.config.stash.setdefault(SECONDS, {})

    @contextmanager
    def timed(notebook, functions):
        signal.signal(signal.SIGALRM, _too_long)
        signal.alarm(LIMIT)
        start = time.perf_counter()
        try:
            yield
        finally:
            signal.alarm(0)
        seconds[notebook] = functions, time.perf_counter() - start

    return timed


def _too_long(*_):
    raise TimeoutError(f"no answer within {LIMIT} s")


def pytest_terminal_summary(terminalreporter, config):
    seconds = config.stash.get(SECONDS, {})
    if not seconds:
        return
    write = terminalreporter.write_line
    terminalreporter.section("analysis of real notebooks, in seconds")
    for notebook, (functions, took) in sorted(seconds.items(), key=lambda row: -row[1][1]):
        write(f"{took:8.3f}{functions:5}  {notebook}")
    total = sum(functions for functions, _ in seconds.values())
    write(
        f"{sum(took for _, took in seconds.values()):8.3f}{total:5}  all functions of {len(seconds)} notebooks"
    )
