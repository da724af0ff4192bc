"""A client of a service: sends requests on one connection as a test wants them sent, and reads the responses."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator

from wire import Reader, Received


class Client(Reader):
    """A connection to a service."""

    def __init__(self, port: int, timeout: float = 60, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.ended = False
        """Whether the other side has closed."""
        super().__init__(self.socket)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Received:
        """Return the next response, which must come."""
        received = self.response()
        assert received is not None, "the connection was closed instead"
        return received

    def is_stale(self) -> bool:
        """Return whether something came that was not asked for: mostly the end."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        self.socket.close()

    def break_off(self) -> None:
        """Close with a reset, as the system of a client that dies does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _receive(self) -> bool:
        more = super()._receive()
        self.ended = not more
        return more


@contextlib.contextmanager
def client(port: int, timeout: float = 60, receive_buffer: int = 0) -> Iterator[Client]:
    """Yield a connection, and close it."""
    one = Client(port, timeout, receive_buffer)
    try:
        yield one
    finally:
        one.close()


def request(path: str, body: bytes = b"", *headers: str, method: str = "", version: str = "1.1") -> bytes:
    """Return a request; one with a body is a POST."""
    method = method or ("POST" if body else "GET")
    length = [f"Content-Length: {len(body)}"] if body else []
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *length, *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ask(port: int, path: str, body: bytes = b"", *headers: str) -> Received:
    """Send one request on a connection of its own."""
    with client(port) as one:
        one.send(request(path, body, *headers))
        return one.answer()


def refuses(port: int) -> bool:
    """Return whether nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False
