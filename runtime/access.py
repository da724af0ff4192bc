"""The access log: a line of JSON on stdout for each request."""

from __future__ import annotations

import contextlib
import json
import os
import select
import stat
import time
from collections import deque

from nbslim.runtime.figures import Figures
from nbslim.runtime.metrics import LOST

_STDOUT = 1
_MOST_LINES = 10_000
"""So many lines wait for whoever reads them at most, about 2 MB."""
_LONGEST = 500
"""Characters of a path or a method; so a line fits into PIPE_BUF bytes, which are written at once or not at all."""


class AccessLog:
    """Collects lines, and writes those that came together at once; a line is never split between processes.

    It never waits for whoever reads them: what does not fit is lost, and counted.
    """

    def __init__(self, figures: Figures, *, on: bool) -> None:
        self._figures = figures
        self._on = on
        self._output = _stdout()
        self._writable = select.poll()
        self._writable.register(self._output, select.POLLOUT)
        self._lines: deque[str] = deque()
        self._time = (0, "")

    def note(
        self,
        *,
        request_id: str,
        client: str,
        method: str,
        path: str,
        status: int,
        length: int,
        seconds: float,
    ) -> None:
        """Note a request; the path is without its query, which may hold what is nobody's business."""
        if len(self._lines) >= _MOST_LINES:
            self._figures.add(LOST)
        elif self._on:
            self._lines.append(
                f'{{"time":"{self._now()}","request_id":"{request_id}","client":"{client}","method":"{method[:_LONGEST]}",'
                f'"path":{json.dumps(path[:_LONGEST])},"status":{status},"bytes":{length},"seconds":{seconds:.6f}}}\n'
            )

    def flush(self, seconds: float = 0.0) -> None:
        """Write what was noted, as far as somebody reads it within `seconds`."""
        lines = self._lines  # other threads add to it meanwhile
        end = time.monotonic() + seconds
        while lines and self._writable.poll(max(end - time.monotonic(), 0) * 1000):
            part = lines.popleft()
            while lines and len(part) + len(lines[0]) <= select.PIPE_BUF:
                part += lines.popleft()
            try:
                os.write(self._output, part.encode())
            except BlockingIOError:  # another process was faster
                lines.appendleft(part)
                return
            except OSError:  # nobody will ever read it, or the disk is full
                self._figures.add(LOST, amount=part.count("\n"))

    def _now(self) -> str:
        now = time.time()
        second, text = self._time
        if int(now) != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._time = (int(now), text)
        return f"{text}.{int(now * 1000) % 1000:03d}Z"


def _stdout() -> int:
    """Return where lines go; a pipe is opened anew, since other programs may share the flags of stdout itself."""
    with contextlib.suppress(OSError):
        if stat.S_ISFIFO(os.fstat(_STDOUT).st_mode):
            return os.open(f"/proc/self/fd/{_STDOUT}", os.O_WRONLY | os.O_NONBLOCK)
    return _STDOUT
