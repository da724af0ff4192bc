"""Processes forked from one that has loaded the model: they share its memory and the socket; a dead one is replaced."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from nbslim.runtime.figures import Figures
from nbslim.runtime.logs import flush
from nbslim.runtime.metrics import RESTARTS
from nbslim.runtime.stopping import STOPPING, signals_that_came

GRACE = 2.0
"""Seconds that a worker gets to end, beyond those for running requests, before it is killed."""
SOON = 1.0
"""A worker that ends sooner is replaced only after a pause, which doubles each time."""
SHORTEST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
_log = logging.getLogger("nbslim.runtime")


@dataclass(frozen=True)
class _Worker:
    number: int
    started: float


class Workers:
    """Runs `work` in `count` processes; it gets a function to call when it is ready."""

    def __init__(
        self,
        count: int,
        work: Callable[[Callable[[], object]], int],
        figures: Figures,
        say: Callable[[str], None],
    ) -> None:
        self._count = count
        self._work = work
        self._figures = figures
        self._say = say
        self._running: dict[int, _Worker] = {}
        self._due: dict[int, float] = {}
        """When each missing worker is to be started."""
        self._pauses = dict.fromkeys(range(count), 0.0)
        self._stopping = False

    def run(self, on_ready: Callable[[], None], on_stop: Callable[[], None], seconds: float) -> bool:
        """Run until a signal asks to stop, then let the workers end; return whether all did within `seconds`.

        `on_ready` is called once, when all workers are ready; `on_stop` before the workers are asked to end.
        """
        self._ready, self._tell_ready = os.pipe()
        self._lifeline, self._alive = os.pipe()
        waiting = set(range(self._count))
        signals = _watch_signals()
        self._due = dict.fromkeys(range(self._count), 0.0)
        while not self._stopping:
            self._start_due()
            came, _, _ = select.select([signals, self._ready], [], [], self._until_due())
            if self._ready in came:
                waiting.difference_update(os.read(self._ready, 4096))
                if not waiting:
                    on_ready()
                    waiting = {self._count}  # never empty again
            if signals in came:
                self._stopping = not set(STOPPING).isdisjoint(os.read(signals, 4096))
                self._reap()
        on_stop()
        return self._end(signals, seconds + GRACE)

    def _start_due(self) -> None:
        for number, due in list(self._due.items()):
            if due <= time.monotonic():
                del self._due[number]
                self._fork(number)

    def _until_due(self) -> float | None:
        return max(min(self._due.values()) - time.monotonic(), 0) if self._due else None

    def _fork(self, number: int) -> None:
        flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)  # the worker unblocks them when it has handlers
        try:
            pid = os.fork()
        except OSError as error:
            pid = -1
            self._say(f"worker {number + 1} cannot be started: {error.strerror}")
            self._due[number] = time.monotonic() + LONGEST_PAUSE
        if not pid:
            self._be_worker(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
        if pid > 0:
            self._running[pid] = _Worker(number, time.monotonic())

    def _be_worker(self, number: int) -> NoReturn:
        code = 1
        try:
            os.close(self._alive)
            os.close(self._ready)
            _end_with(self._lifeline)
            self._figures.own(number + 1)
            code = self._work(lambda: os.write(self._tell_ready, bytes([number])))
        except BaseException:
            _log.exception("worker %d failed", number + 1)
        finally:
            flush()
            os._exit(code)  # what the parent would do at its end is not this process' to do

    def _reap(self) -> None:
        """Find out who ended; any process that lost its parent may be ours, where we are process 1."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            worker = self._running.pop(pid, None)
            if worker is not None and not self._stopping:
                self._replace(worker, pid, os.waitstatus_to_exitcode(status))

    def _replace(self, worker: _Worker, pid: int, code: int) -> None:
        soon = time.monotonic() - worker.started < SOON
        pause = min(max(self._pauses[worker.number] * 2, SHORTEST_PAUSE), LONGEST_PAUSE) if soon else 0.0
        self._pauses[worker.number] = pause
        self._due[worker.number] = time.monotonic() + pause
        self._figures.add(RESTARTS)
        how = f"ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        self._say(f"worker {worker.number + 1} (process {pid}) {how}; another one takes its place")

    def _end(self, signals: int, seconds: float) -> bool:
        """Ask all workers to end, and kill those that do not."""
        end = time.monotonic() + seconds
        self._signal_all(signal.SIGTERM)
        while self._running and time.monotonic() < end:
            if select.select([signals], [], [], 0.1)[0]:
                os.read(signals, 4096)
            self._reap()
        ended = not self._running
        self._signal_all(signal.SIGKILL)
        return ended

    def _signal_all(self, number: int) -> None:
        for pid in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def _watch_signals() -> int:
    """Return a file descriptor from which the numbers of the signals that came are read."""
    came = signals_that_came()  # first: what only a handler saw would be lost
    for number in (signal.SIGCHLD, *STOPPING):
        signal.signal(number, lambda *_: None)
    return came


def _end_with(lifeline: int) -> None:
    """End this process as by SIGTERM when nobody has the other end of `lifeline` any more: its parent is gone."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def wait() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
