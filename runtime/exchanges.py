"""Send raw HTTP requests to the server that serves in this process, and write what comes back."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nbslim.runtime import memory, pools, serving, workers  # noqa: F401 - serving may need them, and so a replay reaches them
from nbslim.runtime.app import create_app
from nbslim.runtime.figures import Figures
from nbslim.runtime.scoring import EntryPoints
from nbslim.runtime.server import Server, listen
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings
from nbslim.runtime.stopping import Stop, spare_forks, stop_on_signals

LOOPBACK = "127.0.0.1"
RESPONSE_SECONDS = 60
_HEADER = re.compile(rb"HTTP/1\.[01] (\d{3})[^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_TYPE = re.compile(rb"\r\ncontent-type:[ \t]*([^\r\n]*)", re.IGNORECASE)
_VARYING = re.compile(rb"\r\n(?:date|server|x-request-id):[^\r\n]*", re.IGNORECASE)

Write = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True)
class Requests:
    """The bytes of each request, sent in order, `passes` times over, for `seconds` at most."""

    requests: tuple[bytes, ...]
    passes: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Requests:
        """Read them from JSON; the requests are in base64."""
        found = json.loads(text)
        return cls(tuple(map(base64.b64decode, found["requests"])), found["passes"], found["seconds"])


@dataclass(frozen=True)
class Response:
    """What came back on one connection, until the server closed it.

    `body` is all after the first header; later responses are in it as they are, but for their Date and Server.
    """

    status: int = 0
    """0: no whole header came."""
    type: str = ""
    body: bytes = b""
    problem: str | None = None
    """Why this is not all of the response."""

    @classmethod
    def parse(cls, received: bytes, problem: str | None) -> Response:
        """Take apart what was received."""
        header = _HEADER.match(received)
        if header is None:
            return cls(problem=problem or "the connection was closed without a response")
        kind = _TYPE.search(header[0])
        return cls(
            status=int(header[1]),
            type=kind[1].decode("latin-1") if kind else "",
            body=_HEADER.sub(lambda later: _VARYING.sub(b"", later[0]), received[header.end() :]),
            problem=problem,
        )


def exchange(entry_points: EntryPoints, requests: Requests, write: Write) -> bool:
    """Serve `entry_points` as an image does, until every request has its response; each goes to `write` as it comes.

    A signal to stop ends it after the next response. Return whether the server finished what it had accepted.
    """
    settings = read_settings({"NBSLIM_ACCESS_LOG": "off"})
    service = Service(settings, Figures(1))
    service.serve(entry_points)
    service.ready = True  # what its answers are is for whoever reads them to judge
    stopped = stop_on_signals()
    spare_forks()
    with listen(LOOPBACK, 0) as listener:
        server = Server(service, create_app(service), listener)
        server.loop.start()
        try:
            _send_all(listener.getsockname()[1], requests, write, stopped)
        finally:
            drained = server.stop(settings.stop_timeout)
    return drained


def _send_all(port: int, requests: Requests, write: Write, stopped: Stop) -> None:
    end = time.monotonic() + requests.seconds
    for number in range(requests.passes):
        for index, request in enumerate(requests.requests):
            if time.monotonic() >= end or stopped.is_set():
                return
            write({"pass": number, "index": index, **vars(ask(port, request))})


def ask(port: int, request: bytes, seconds: float = RESPONSE_SECONDS) -> Response:
    """Send `request` on a connection of its own and return what came back within `seconds`."""
    received = bytearray()
    problem = None
    end = time.monotonic() + seconds
    with socket.socket() as connection:
        try:
            connection.settimeout(seconds)
            connection.connect((LOOPBACK, port))
            connection.sendall(request)
            while part := connection.recv(1 << 16):
                received += part
                connection.settimeout(max(end - time.monotonic(), 0.001))
        except socket.timeout:  # noqa: UP041 - no TimeoutError on 3.9
            problem = f"the connection was still open after {seconds} s"
        except OSError as error:
            problem = f"the connection broke: {error.strerror}"
    return Response.parse(bytes(received), problem)
