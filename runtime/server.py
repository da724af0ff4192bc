"""Serve HTTP on waitress until asked to stop, then finish what was accepted."""

from __future__ import annotations

import itertools
import logging
import os
import re
import select
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from nbslim.runtime.access import AccessLog
from nbslim.runtime.batching import Gatherer
from nbslim.runtime.connection import Connection
from nbslim.runtime.loop import Loop
from nbslim.runtime.metrics import RequestFigures
from nbslim.runtime.problems import Response
from nbslim.runtime.service import Service
from waitress import wasyncore  # type: ignore[import-untyped]  # waitress ships no types
from waitress.adjustments import Adjustments  # type: ignore[import-untyped]
from waitress.server import TcpWSGIServer  # type: ignore[import-untyped]
from waitress.utilities import build_http_date  # type: ignore[import-untyped]

BACKLOG = 1024
QUIET_SECONDS = 0.2
HANDOVER_SECONDS = 0.01
"""How long nothing comes before a server that stops, or hands over, takes it that nothing was under way."""
LAST_LINES_SECONDS = 1.0
"""How long a server that stops waits for whoever reads its access log."""
IN_MEMORY = 1 << 30
"""waitress writes larger bodies to temporary files, and an image may have no folder that can be written.

Nor is it to send a part of what the application answers before that is counted.
"""
YIELD_SECONDS = 0.001
"""How long a process with more connections than others leaves the next one to these."""
_log = logging.getLogger("nbslim.runtime")
_GIVEN_ID = re.compile(r"[\w.:/+=@-]{1,128}", re.ASCII)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on all that `host` names; raises OSError where that is not possible."""
    try:
        return _listening(host, port)
    except (OSError, UnicodeError) as error:  # not every text can be looked up as a name
        why = getattr(error, "strerror", None) or error
        raise OSError(
            f"port {port} of {host} cannot be listened on: {why}; set PORT or NBSLIM_HOST"
        ) from error


def _listening(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


class Server(TcpWSGIServer):  # type: ignore[misc]  # waitress ships no types
    """Serves one service, and the WSGI application for all that is not the predictor's, on a socket that listens."""

    channel_class = Connection

    def __init__(self, service: Service, application: Callable[..., Any], listener: socket.socket) -> None:
        settings = service.settings
        self.service = service
        self.draining = False
        self.loop = Loop(settings.threads, self._tick)
        self._log = AccessLog(service.figures, on=settings.access_log)
        self._figures = RequestFigures(service.figures)
        self._process_id = os.urandom(6).hex()
        self._numbers = itertools.count()
        self._heads: dict[tuple[int, str], bytes] = {}
        self._date = (0, "")
        self._full = False
        self._yielded = 0.0
        self.loop.before_waiting = self._log.flush
        if settings.batch_window:
            gatherer = Gatherer(service)
            self.loop.gather, self.loop.gathered = gatherer.gather, gatherer.gathered
        adjustments = Adjustments(
            ident="nbslim",
            backlog=BACKLOG,
            connection_limit=10_000,
            recv_bytes=1 << 16,
            send_bytes=IN_MEMORY,
            max_request_body_size=settings.max_body + 1,
            inbuf_overflow=IN_MEMORY,
            outbuf_overflow=IN_MEMORY,
            outbuf_high_watermark=IN_MEMORY,
            clear_untrusted_proxy_headers=False,
        )
        kind = (listener.family, listener.type, listener.proto, listener.getsockname())
        super().__init__(
            application, self.loop.map, _sock=listener, dispatcher=self, adj=adjustments, sockinfo=kind,
            bind_socket=False,
        )  # fmt: skip
        self.note_connections()  # none: a killed predecessor had some
        self.loop.watch(self)

    def add_task(self, connection: Connection) -> None:
        """Answer what `connection` brought, in its turn."""
        self.begin(connection)
        self.loop.add(connection)

    def begin(self, connection: Connection) -> None:
        """Note that a request is there, or that it is answered while it arrives."""
        connection.arrived = time.perf_counter()
        if not connection.in_flight:
            connection.in_flight = True
            self._figures.begin()

    def readable(self) -> bool:
        """Return whether connections are to be accepted."""
        return not self._full and bool(super().readable())

    def accept(self) -> Any:
        """Accept a connection; where no file can be opened any more, leave the others waiting until the next tick."""
        try:
            return super().accept()
        except OSError as error:
            _log.warning("no connection can be accepted: %s", error.strerror)
            self._full = True
            return None

    def handle_accept(self) -> None:
        """Accept a connection, if there is one: another process may have taken it."""
        if not self._lets_others():
            super().handle_accept()
            self.note_connections()
            self.loop.watch(self)

    def note_connections(self) -> None:
        """Note that there are more connections, or fewer."""
        self.service.figures.note_connections(len(self.active_channels))

    def _lets_others(self) -> bool:
        """Return whether a process with fewer connections is to accept the next one; not for long, it may be busy."""
        if not self.service.figures.is_ahead():
            return False
        now = time.monotonic()
        if now - self._yielded > 10 * YIELD_SECONDS:
            self._yielded = now
        os.sched_yield()
        return now - self._yielded < YIELD_SECONDS

    def pull_trigger(self) -> None:
        """Do nothing: whoever writes settles the connection afterwards."""

    def maintenance(self, now: float) -> None:
        """Do nothing: time limits are looked after with each tick of the loop."""

    def head(self, response: Response, request: Any, connection: str, framing: str | None = None) -> bytes:
        """Return the header of a response; `connection` is what it says about that, if anything.

        `framing` is the line that says where the body ends, if it is not the body's length.
        """
        line = self._heads.get((response.status, response.type))
        if line is None:
            phrase = HTTPStatus(response.status).phrase
            text = (
                f"HTTP/1.1 {response.status} {phrase}\r\nContent-Type: {response.type}\r\nServer: nbslim\r\n"
            )
            line = text.encode("latin-1")
            self._heads[response.status, response.type] = line
        more = "".join(f"{name}: {value}\r\n" for name, value in response.headers)
        if connection:
            more += f"Connection: {connection}\r\n"
        framing = f"Content-Length: {len(response.body)}\r\n" if framing is None else framing
        rest = f"{framing}Date: {self._now()}\r\nX-Request-ID: {self.identify(request)}\r\n{more}\r\n"
        return line + rest.encode("latin-1")

    def identify(self, request: Any) -> str:
        """Return the identifier of a request: the client's own, if it has a sane one."""
        found: str | None = getattr(request, "nbslim_id", None)
        if found is None:
            given = request.headers.get("X_REQUEST_ID", "")
            found = request.nbslim_id = (
                given if _GIVEN_ID.fullmatch(given) else f"{self._process_id}-{next(self._numbers):x}"
            )
        return found

    def note(self, connection: Connection, request: Any, status: int, length: int) -> None:
        """Count and log a request with the response that it gets."""
        connection.in_flight = False
        seconds = time.perf_counter() - connection.arrived
        self._figures.end(status, seconds)
        self._log.note(
            request_id=self.identify(request),
            client=connection.addr[0],
            method=request.command,
            path=request.path,
            status=status,
            length=length,
            seconds=seconds,
        )

    def drain(self, quiet: float) -> None:
        """Stop listening, finish what was accepted, and end the loop; only the leader calls this.

        What the kernel has accepted is accepted first: closing the socket would reset it.
        """
        waiting = select.poll()
        waiting.register(self.socket, select.POLLIN)
        self._full = False
        for _ in range(BACKLOG + 1):
            if self._full or not waiting.poll(0):
                break
            super().handle_accept()
        self.draining = True
        self.loop.forget(self._fileno)
        wasyncore.dispatcher.close(self)
        self.loop.longest_wait = quiet
        self.loop.when_idle = self._end_if_quiet
        if not self.active_channels:
            self.loop.end()

    def stop(self, seconds: float, quiet: float = QUIET_SECONDS) -> bool:
        """Finish what was accepted; return whether it took at most `seconds`. No thread of the loop may call this.

        When nothing came for `quiet` seconds, nothing is taken to be under way.
        """
        self.loop.call(lambda: self.drain(quiet))
        if not self.loop.join(seconds):
            return False
        self._log.flush(LAST_LINES_SECONDS)
        self.loop.close()
        return True

    def _end_if_quiet(self) -> None:
        refusal = self.service.refusal()
        if refusal is not None:  # this process loads the model, and the workers wait for it
            for connection in list(self.active_channels.values()):
                connection.refuse(refusal)
        if not any(connection.busy for connection in self.active_channels.values()):
            self.loop.end()

    def _now(self) -> str:
        now = int(time.time())
        if self._date[0] != now:
            self._date = (now, build_http_date(now))
        return self._date[1]

    def _tick(self, now: float) -> None:
        self._full = False
        if self.accepting:
            self.loop.watch(self)
        for connection in list(self.active_channels.values()):
            connection.tick(now)
