"""JSON lines in a request: each is there as soon as it has arrived, however long the whole body is."""

from __future__ import annotations

from typing import Any

from nbslim.runtime.plain import is_lines
from nbslim.runtime.strict import StrictParser

BATCH = ("POST", "/predict/batch")
AT_ONCE = 256
"""Lines that are answered before anything else gets its turn, and before their client gets the answers."""


class Lines:
    """Takes the place of waitress' buffer for a body; keeps what was not answered yet, and at most one half line."""

    def __init__(self, limit: int) -> None:
        self.complete: list[bytes] = []
        self._limit = limit
        self._rest = bytearray()

    def append(self, data: bytes) -> None:
        """Take what arrived; of a line over the limit, keep just more than it may have."""
        first, *lines = data.split(b"\n")
        self._rest += first[: self._limit + 1 - len(self._rest)]
        if lines:
            whole = [bytes(self._rest), *lines[:-1]]
            self._rest = bytearray(lines[-1][: self._limit + 1])
            self.complete.extend(line for line in whole if line.strip())

    def end(self) -> None:
        """Take what has no line feed as a line, too: it is the last one."""
        if self._rest.strip():
            self.complete.append(bytes(self._rest))
        self._rest = bytearray()

    def take(self) -> list[bytes]:
        """Return lines that are complete, AT_ONCE at most."""
        lines = self.complete[:AT_ONCE]
        del self.complete[:AT_ONCE]
        return lines

    def close(self) -> None:
        """Forget all."""
        self.complete = []
        self._rest = bytearray()

    def __len__(self) -> int:
        return 0


class LinesParser(StrictParser):
    """Parses requests; a body of JSON lines has no limit but that of each line."""

    command = path = ""
    lines: Lines | None = None

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header, and find out what the body is."""
        super().parse_header(header_plus)
        plain = "CONTENT_ENCODING" not in self.headers
        if (
            self.body_rcv is not None
            and (self.command, self.path) == BATCH
            and plain
            and is_lines(self.headers.get("CONTENT_TYPE", ""))
        ):
            self.lines = Lines(self.adj.max_request_body_size)
            self.body_rcv.buf = self.lines
            self.content_length = 0  # to waitress' limit

    def received(self, data: bytes) -> Any:
        """Take what arrived."""
        if self.lines is not None:
            self.body_bytes_received = -len(data)  # so that waitress' limit is never reached
        taken = super().received(data)
        if self.lines is not None and self.completed:
            self.lines.end()
        return taken
