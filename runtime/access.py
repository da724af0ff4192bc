"""The access log: a line of JSON on stdout for each request."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from select import PIPE_BUF

_STDOUT = 1
_LONGEST = 500
"""Characters of a path or a method; so a line fits into PIPE_BUF bytes, which are written at once or not at all."""


class AccessLog:
    """Collects lines, and writes those that came together at once; a line is never split between processes."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
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
        if self._on:
            self._lines.append(
                f'{{"time":"{self._now()}","request_id":"{request_id}","client":"{client}","method":"{method[:_LONGEST]}",'
                f'"path":{json.dumps(path[:_LONGEST])},"status":{status},"bytes":{length},"seconds":{seconds:.6f}}}\n'
            )

    def flush(self) -> None:
        """Write what was noted; where nobody reads, nothing is kept."""
        lines = self._lines  # other threads add to it meanwhile
        try:
            while lines:
                part = lines.popleft()
                while lines and len(part) + len(lines[0]) <= PIPE_BUF:
                    part += lines.popleft()
                os.write(_STDOUT, part.encode())
        except OSError:
            pass

    def _now(self) -> str:
        now = time.time()
        second, text = self._time
        if int(now) != second:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            self._time = (int(now), text)
        return f"{text}.{int(now * 1000) % 1000:03d}Z"
