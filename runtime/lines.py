"""JSON lines in a request: each is there as soon as it has arrived, however long the whole body is."""

from __future__ import annotations

from typing import Any

from nbslim.runtime.plain import is_lines
from nbslim.runtime.strict import StrictParser

PATH = "/predict/batch"


class Lines:
    """Takes the place of waitress' buffer for a body; keeps what was not answered yet, and at most one half line."""

    def __init__(self, limit: int) -> None:
        self.complete: list[bytes] = []
        self.answered = 0
        """Lines that were taken."""
        self._limit = limit
        self._rest = b""

    def append(self, data: bytes) -> None:
        """Take what arrived; of a line over the limit, keep just more than it may have."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: self._limit + 1]
        self.complete.extend(line for line in lines if line.strip())

    def take(self, *, last: bool) -> list[bytes]:
        """Return the lines that are complete; what has no line feed is a line, if it is the last one."""
        lines, self.complete = self.complete, []
        if last and self._rest.strip():
            lines.append(self._rest)
            self._rest = b""
        self.answered += len(lines)
        return lines

    def close(self) -> None:
        """Forget all."""
        self.complete, self._rest = [], b""

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
            and (self.command, self.path) == ("POST", PATH)
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
        return super().received(data)
