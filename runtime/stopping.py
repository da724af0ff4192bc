"""Signals that ask a service to stop, and the processes that a predictor forks, which they end as any other."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from collections.abc import Set
from types import FrameType

from nbslim.runtime import orphans

STOPPING = (signal.SIGTERM, signal.SIGINT)
GRACE = 2.0
"""Seconds that the end of the process may take, when all is answered."""


def end_on_signals() -> None:
    """End at once while nothing is served yet; without a handler, process 1 would ignore the signal."""
    for number in STOPPING:
        signal.signal(number, lambda *_: sys.exit(0))


class Stop:
    """What a signal asks for, and the main thread waits for.

    The kernel gives a signal to any thread, and Python runs the handler in the main one when that does something:
    only what it waits for in the kernel, such as a file descriptor, wakes it.
    """

    def __init__(self) -> None:
        self._asked = False
        self._came = signals_that_came()

    def ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the signature of a signal handler
        """Ask to stop."""
        self._asked = True

    def is_set(self) -> bool:
        """Return whether somebody asked."""
        return self._asked

    def wait(self) -> None:
        """Wait until somebody asks; as process 1, reap meanwhile what lost its parent."""
        inherits = os.getpid() == 1
        ended: Set[int] = frozenset()
        came = select.poll()
        came.register(self._came, select.POLLIN)
        while not self._asked:
            if came.poll(orphans.SECONDS * 1000 if inherits else None):
                os.read(self._came, 4096)
            else:
                ended = orphans.reap(ended)


def signals_that_came() -> int:
    """Return a file descriptor from which the number of each signal that has a handler can be read, whoever got it."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    return read


def stop_on_signals() -> Stop:
    """Return what the signals to stop ask for; they may have been blocked until now."""
    stop = Stop()
    for number in STOPPING:
        signal.signal(number, stop.ask)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
    return stop


def end_soon() -> None:
    """End this process before long, even if Python waits at its end for what a predictor has started."""
    timer = threading.Timer(GRACE, os._exit, [0])
    timer.daemon = True
    timer.start()


def spare_forks() -> None:
    """Let the signals end what a predictor forks, such as a pool's workers, as they end other processes."""

    def set_mask(how: int) -> None:
        signal.pthread_sigmask(how, STOPPING)

    def forget() -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        set_mask(signal.SIG_UNBLOCK)

    # Blocked meanwhile: Python drops what a process receives before it knows itself to be a fork.
    os.register_at_fork(
        before=lambda: set_mask(signal.SIG_BLOCK),
        after_in_parent=lambda: set_mask(signal.SIG_UNBLOCK),
        after_in_child=forget,
    )
