"""The access log: a line of JSON on stdout for each request."""

from __future__ import annotations

import json
import os
import time

_STDOUT = 1


class AccessLog:
    """Collects lines, and writes those that came together at once; a line is never split between processes."""

    def __init__(self, *, on: bool) -> None:
        self._on = on
        self._lines: list[str] = []
        self._second = 0
        self._time = ""

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
                f'{{"time":"{self._now()}","request_id":"{request_id}","client":"{client}","method":"{method}",'
                f'"path":{json.dumps(path)},"status":{status},"bytes":{length},"seconds":{seconds:.6f}}}\n'
            )

    def flush(self) -> None:
        """Write what was noted; where nobody reads, nothing is kept."""
        lines, self._lines = self._lines, []
        try:
            while lines:
                os.write(_STDOUT, "".join(lines[:8]).encode())
                del lines[:8]
        except OSError:
            pass

    def _now(self) -> str:
        now = time.time()
        if int(now) != self._second:
            self._second = int(now)
            self._time = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        return f"{self._time}.{int(now * 1000) % 1000:03d}Z"
