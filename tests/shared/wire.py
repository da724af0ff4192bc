"""HTTP as bytes on a socket: what is sent, and when, is the test's own business."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class BrokenOffError(Exception):
    """The connection ended before the response did."""


class Wire:
    """A connection on which bytes are sent and responses are read."""

    def __init__(self, port: int, timeout: float = 20, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", port))
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *exception: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def break_off(self) -> None:
        """Close with a reset, as a client does that dies."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def head(self) -> Answer:
        """Read a response up to its body."""
        status = int(self.line().split()[1])
        lines = iter(self.line, b"\r\n")
        pairs = (line.decode("latin-1").rstrip("\r\n").split(": ", 1) for line in lines)
        return Answer(status, {name.lower(): value for name, value in pairs}, b"")

    def response(self) -> Answer:
        """Read a whole response."""
        answer = self.head()
        if answer.status == 100:
            return answer
        if "chunked" in answer.headers.get("transfer-encoding", ""):
            body = b"".join(iter(self.chunk, b""))
        elif "content-length" in answer.headers:
            body = self.read(int(answer.headers["content-length"]))
        else:
            body = self._file.read()
        return Answer(answer.status, answer.headers, body)

    def chunk(self) -> bytes:
        """Read a chunk of a response's body; the last one is empty."""
        data = self.read(int(self.line(), 16))
        assert self.line() == b"\r\n"
        return data

    def line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\n"):
            raise BrokenOffError(line)
        return line

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise BrokenOffError(data)
        return data

    def at_end(self) -> bool:
        """Wait until the other side closes; return False where it sends something instead."""
        return self._file.read(1) == b""


def request(path: str, body: bytes = b"", *headers: str, method: str = "", version: str = "1.1") -> bytes:
    """Return a request; one with a body is a POST."""
    method = method or ("POST" if body else "GET")
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/{version}", "Host: a", *length, *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def ask(port: int, path: str, body: bytes = b"", *headers: str) -> Answer:
    """Send one request on a connection of its own."""
    with Wire(port) as wire:
        wire.send(request(path, body, *headers))
        return wire.response()
