"""A body in chunks, read to the letter of RFC 9112, section 7.1: what another server may read otherwise is refused."""

from __future__ import annotations

import re
from typing import Any

from waitress.rfc7230 import CHUNK_EXT, HEADER_FIELD_RE  # type: ignore[import-untyped]  # waitress ships no types
from waitress.utilities import BadRequest  # type: ignore[import-untyped]  # waitress ships no types

LONGEST_LINE = 1 << 14
"""Bytes of a line with a chunk's size, and of all lines behind the last chunk."""
_SIZE = re.compile(rb"([0-9a-fA-F]+)%b" % CHUNK_EXT.encode())
_END = b"\r\n"


class Chunks:
    """Takes the place of waitress' receiver, which takes bare line feeds, empty lines and anything as a trailer."""

    def __init__(self, buf: Any) -> None:
        self.buf = buf
        """Takes the data."""
        self.completed = False
        self.error: BadRequest | None = None
        self._take = self._take_line
        self._read = self._read_size
        self._begun = b""
        """What came of a line."""
        self._left = 0
        """Bytes of a chunk that did not come yet."""
        self._trailer = 0
        """Bytes of the lines behind the last chunk."""

    def __len__(self) -> int:
        return len(self.buf)

    def getfile(self) -> Any:
        """Return the data as a file."""
        return self.buf.getfile()

    def getbuf(self) -> Any:
        """Return what takes the data."""
        return self.buf

    def received(self, data: bytes) -> int:
        """Take what arrived; return how many bytes of it belong to the body."""
        place = 0
        while place < len(data) and not self.completed and self.error is None:
            place += self._take(data, place)
        return place

    def _take_data(self, data: bytes, place: int) -> int:
        part = data[place : place + self._left]
        self.buf.append(part)
        self._left -= len(part)
        if not self._left:
            self._take = self._take_end
        return len(part)

    def _take_end(self, data: bytes, place: int) -> int:
        """Take the line's end that is behind a chunk."""
        part = data[place : place + len(_END) - len(self._begun)]
        self._begun += part
        if self._begun == _END:
            self._begun, self._take = b"", self._take_line
        elif not _END.startswith(self._begun):
            self._refuse("a chunk is longer than it says")
        return len(part)

    def _take_line(self, data: bytes, place: int) -> int:
        end = data.find(b"\n", place) + 1
        part = data[place : end or len(data)]
        self._begun += part
        if len(self._begun) > LONGEST_LINE:
            self._refuse("a chunk's size is too long")
        elif end:
            line, self._begun = self._begun, b""
            self._read(line)
        return len(part)

    def _read_size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line[: -len(_END)])
        if found is None or not line.endswith(_END):
            self._refuse("a chunk has no size that can be read")
            return
        self._left = int(found[1], 16)
        if self._left:
            self._take = self._take_data
        else:
            self._read = self._read_trailer

    def _read_trailer(self, line: bytes) -> None:
        self._trailer += len(line)
        if line == _END:
            self.completed = True
        elif not (line.endswith(_END) and HEADER_FIELD_RE.match(line[: -len(_END)])):
            self._refuse("what comes behind the last chunk is no header")
        elif self._trailer > LONGEST_LINE:
            self._refuse("what comes behind the last chunk is too long")

    def _refuse(self, reason: str) -> None:
        self.error = BadRequest(reason)
