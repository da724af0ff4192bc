"""A connection: waitress' channel with the shortest way to the predictor, problem documents and limits of time."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from nbslim.runtime.lines import BATCH, LinesParser
from nbslim.runtime.plain import LINES
from nbslim.runtime.problems import Problem, Response
from waitress.channel import ClientDisconnected, HTTPChannel  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser  # type: ignore[import-untyped]
from waitress.task import WSGITask  # type: ignore[import-untyped]

LINGER_SECONDS = 2.0
"""How long what a client still sends is read after a response that did not wait for it; a close would reset both."""
UNREAD = 1 << 20
"""Bytes of responses that wait for their client, above which its next request does."""
PREDICT = ("POST", "/predict")
GONE = 499
"""What is counted and logged, after nginx, for a request whose client went before it had its whole response."""
_log = logging.getLogger("nbslim.runtime")
_TITLES = {
    400: ("bad-request", "The request is not HTTP as it should be"),
    413: ("too-large", "The body is too large"),
    431: ("headers-too-large", "The request's headers are too large"),
    501: ("not-implemented", "The request needs something that is not implemented"),
    505: ("version-not-supported", "The request's version of HTTP is not known here"),
}


class Connection(HTTPChannel):  # type: ignore[misc]  # waitress ships no types
    """A client's connection; a job of the loop, for as long as a request of it is to be answered."""

    parser_class = LinesParser

    def __init__(self, server: Any, sock: socket.socket, addr: Any, adj: Any, map: Any = None) -> None:  # noqa: A002
        self.arrived = 0.0
        """When the last byte of the current request came, by `time.perf_counter`."""
        self._began = 0.0
        """When the first byte of the next request came, by `time.monotonic`."""
        self._begun = False
        """Whether the header of a response to JSON lines was sent."""
        self._sent = 0
        """Bytes of the body of such a response that were sent."""
        self.in_flight = False
        """Whether its current request is counted, and has no response yet."""
        self._working = False
        self._held = False
        """Whether the next request waits until its client has read the responses to others."""
        self._active = time.monotonic()
        self._lingers = False
        self._linger_until = 0.0
        self.request: Any = None
        self.requests: list[Any]
        super().__init__(server, sock, addr, adj, map=map)
        server.loop.watch(self)

    @property
    def last_activity(self) -> float:
        """When something was read or sent last, by `time.monotonic`; waitress asks a clock that may be set."""
        return self._active

    @last_activity.setter
    def last_activity(self, _: float) -> None:
        self._active = time.monotonic()

    @property
    def counted(self) -> bool:
        """Whether its next request calls the predictor."""
        return not self.requests or self.requests[0].path.startswith("/predict")

    @property
    def busy(self) -> bool:
        """Whether a request of it is being read or answered, or its response is being sent."""
        return bool(self.requests or self.request or self._working or self.total_outbufs_len)

    def del_channel(self, map: Any = None) -> None:  # noqa: A002 -- waitress' name
        """Wait for nothing any more."""
        if self._fileno is not None:
            self.server.loop.forget(self._fileno)
        super().del_channel(map)
        self.server.note_connections()

    def handle_close(self) -> None:
        """Close, since the client is gone or nothing is to be sent any more."""
        super().handle_close()
        self._let_go()

    def readable(self) -> bool:
        """Return whether more may be read: not while what came is being answered."""
        return self._linger_until > 0 or (not self._working and bool(super().readable()))

    def handle_read(self) -> None:
        """Read what came; after the last response, throw it away."""
        if self._linger_until:
            self.recv(self.adj.recv_bytes)  # closes at the end
        elif self.requests or self._working or self.total_outbufs_len:
            self.settle()  # what came is not answered yet; its client may have no more to send, and wait
        else:
            if self.request is None:
                self._began = time.monotonic()
            super().handle_read()
            if self.request is not None and not self.requests:
                self._go_on_with(self.request)

    def handle_write(self) -> None:
        """Send more of what waits to be sent."""
        self.settle()

    def send_continue(self) -> None:
        """Ask for the body, unless there is none; waitress would then wait for one."""
        if not self.request.completed:
            self.request.expect_continue = False
            self.sent_continue = True
            # Where that cannot be sent, waitress would close with its lock held.
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def service(self) -> None:
        """Answer the next request."""
        request = self.requests[0] if self.requests else self.request
        if not self.connected:
            self._working = False
            self._abandon(request, GONE)
        elif request.lines is not None and request.error is None:
            self._answer_lines(request)
        elif self._begun:  # the response's end is missing, so that nobody takes it for a whole one
            self._lingers = True
            self._abandon(request, request.error.code)
        elif request.error is not None:
            self._lingers = True
            self.respond(request, _malformed(request.error).response(), close=True)
        elif predicts(request):
            self.respond(request, self.server.service.predict(body(request), encoding(request)))
        elif (request.command, request.path) == BATCH:
            kind = request.headers.get("CONTENT_TYPE", "")
            response = self.server.service.predict_batch(body(request), encoding(request), kind)
            self.respond(request, response)
        else:
            self._run(WSGITask(self, request), request)

    def give_up(self) -> None:
        """Close, since answering went wrong."""
        if self.in_flight:
            self._abandon(self.requests[0] if self.requests else self.request, 500)
        self._working = False
        self.will_close = True

    def settle(self) -> None:
        """Send what is left, close what is to be closed, and wait for what may come."""
        if not self.connected:
            self._let_go()
            return
        if self.total_outbufs_len:
            with self.outbuf_lock:  # another thread may be answering
                self._flush_exception(self._flush_some)
        if self.will_close or (self.close_when_flushed and not self.total_outbufs_len):
            self._end()
        if self._held and not self.total_outbufs_len:
            self._held = False
            self.server.add_task(self)
        if self.connected:
            self.server.loop.watch(self)

    def respond(self, request: Any, response: Response, *, close: bool = False) -> None:
        """Send the whole response to `request`, the oldest one, and be done with it."""
        close = close or request.connection_close or (self.server.draining and self._last)
        keeps = not close and request.version == "1.0"
        head = self.server.head(response, request, "close" if close else "keep-alive" if keeps else "")
        body = b"" if request.command == "HEAD" else response.body
        is_there = self._write(head + body)
        self._note(request, response.status, len(body), is_there=is_there)
        self._finish(request, close=close)

    def _note(self, request: Any, status: int, length: int, *, is_there: bool) -> None:
        """Count and log a response; not before it is sent, so that its client need not wait for that."""
        if not is_there:
            status, length = GONE, self._sent
        self.server.note(self, request, status, length)

    def _is_there(self) -> bool:
        """Return whether the client has not reset the connection; one that sends no more may still read."""
        with self.outbuf_lock:  # closing waits for it
            return self.connected and not self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def _abandon(self, request: Any, status: int) -> None:
        """Be done with a request that gets no response, or not the whole of it."""
        if not self.requests:  # its last byte did not come
            self.server.begin(self)
        self.server.note(self, request, status, self._sent)
        self._finish(request, close=True)

    def _let_go(self) -> None:
        """Be done with a request that was still arriving when its client went, and that nobody answers now."""
        request = self.request
        if request is not None and request.headers_finished and not self.requests and not self._working:
            self._abandon(request, GONE)

    def _finish(self, request: Any, *, close: bool) -> None:
        """Be done with the oldest request: go on with the next one, or close."""
        request.close()
        self._begun = False
        self._sent = 0
        self.last_activity = time.monotonic()
        with self.requests_lock:
            if close:
                self.close_when_flushed = True
                self.requests = []
                self.request = None
                return
            del self.requests[0]
            if self.requests:
                if self.total_outbufs_len > UNREAD:
                    self._held = True  # the leader may take it back at once
                else:
                    self.server.add_task(self)
            elif self.request is not None:
                self._go_on_with(self.request)

    def _go_on_with(self, request: Any) -> None:
        """Do for a request that is still to arrive whole what had to wait for its turn."""
        if request.expect_continue and request.headers_finished:
            self.send_continue()
        if request.lines is not None and request.lines.complete:
            self._working = True
            self.server.loop.add(self)

    @property
    def _last(self) -> bool:
        """Whether nothing came behind the current request."""
        return len(self.requests) < 2 and self.request is None

    def tick(self, now: float) -> None:
        """Close, or answer with a problem, what took longer than it may; `now` is by `time.monotonic`."""
        settings = self.server.service.settings
        if self._linger_until:
            if now > self._linger_until:
                self.handle_close()
            return
        quiet = now - self.last_activity
        if (self.requests and not self._held) or self._working:
            self._began = now  # what comes after these is not read meanwhile
        elif self.total_outbufs_len or self._begun:
            if quiet > settings.request_timeout:
                if self._begun:
                    self._abandon(self.request, 408)
                self.handle_close()
        elif self.request is not None and not self.request.empty:
            if (now - self._began if self.request.lines is None else quiet) > settings.request_timeout:
                self._time_out()
        elif quiet > settings.idle_timeout:
            self.handle_close()
        self.settle()

    def refuse(self, response: Response) -> None:
        """Respond to a request that is still arriving, if there is one."""
        if self.request is not None and not (self.requests or self._working):
            self._refuse(self.request, response)
            self.settle()

    def _time_out(self) -> None:
        detail = "the request did not arrive whole in time"
        problem = Problem(408, "timeout", "The request took too long", detail)
        self._refuse(self.request, problem.response())

    def _refuse(self, request: Any, response: Response) -> None:
        """Respond to a request that is there, or still arriving."""
        arrives = not self.requests
        if arrives:
            self._lingers = True
            self.requests = [request]
        self.server.begin(self)
        self.respond(request, response, close=arrives)

    def _answer_lines(self, request: Any) -> None:
        """Answer the lines that are there; the header comes before the first, an empty chunk after the last."""
        refusal = None if self._begun else self.server.service.refusal()
        if refusal is not None:
            self._refuse(request, refusal)
            self._working = False
            return
        lines = request.lines.take()
        ends = bool(self.requests) and not request.lines.complete
        chunked = request.version == "1.1"
        close = request.connection_close or (self.server.draining and self._last) or not chunked
        if not self._begun:
            self._begun = True
            framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
            head = self.server.head(Response(200, LINES, b""), request, "close" if close else "", framing)
            self._write(head)
            self.server.begin(self)
        answers = b"".join(self.server.service.predict_lines(lines))
        length = self._sent + len(answers)
        if chunked:
            answers = b"%x\r\n%b\r\n" % (len(answers), answers) if answers else b""
            answers += b"0\r\n\r\n" if ends else b""
        is_there = self._write(answers)
        if ends:
            self._note(request, 200, length, is_there=is_there)
        self._sent = length
        # Before: the lines may have taken longer than a client may be quiet.
        self.last_activity = time.monotonic()
        self._working = bool(request.lines.complete)
        if self._working:
            loop = self.server.loop
            loop.call(lambda: loop.add(self))  # others first
        elif ends:
            self._finish(request, close=close)

    def _run(self, task: Any, request: Any) -> None:
        """Answer by the WSGI application."""
        task.response_headers.append(("X-Request-ID", self.server.identify(request)))
        if self.server.draining and self._last:
            request.headers["CONNECTION"] = "close"
        try:
            task.service()
        except ClientDisconnected:
            task.close_on_finish = True
        except Exception:
            _log.exception("the application raised")
            if not task.wrote_header:
                problem = Problem(500, "failed", "The service failed", "the log holds the traceback")
                self.respond(request, problem.response(), close=True)
                return
            task.close_on_finish = True
        close = task.close_on_finish or (self.server.draining and self._last)
        self._note(request, int(task.status[:3]), task.content_bytes_written, is_there=self._is_there())
        self._finish(request, close=close)

    def _write(self, data: bytes) -> bool:
        """Send as much as the kernel takes, and keep the rest; return False where the client is gone."""
        with self.outbuf_lock:  # closing waits for it, too: what is sent goes to this connection and no other
            if not self.connected:
                return False
            sent = 0 if self.total_outbufs_len else self._send_some(data)
            if sent < len(data):
                self.outbufs[-1].append(data[sent:])
                self.total_outbufs_len += len(data) - sent
            return not self.will_close

    def _send_some(self, data: bytes) -> int:
        try:
            return int(self.socket.send(data))
        except BlockingIOError:
            return 0
        except OSError:
            self.will_close = True
            return len(data)

    def _end(self) -> None:
        if not self._lingers or self.will_close:
            self.handle_close()
            return
        self.close_when_flushed = False  # or waitress would not wait
        self._linger_until = time.monotonic() + LINGER_SECONDS
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.handle_close()


def predicts(request: HTTPRequestParser) -> bool:
    """Return whether a request is a whole one with one sample."""
    return not request.error and (request.command, request.path) == PREDICT


def body(request: HTTPRequestParser) -> bytes:
    """Return the body of a request that arrived whole."""
    received = request.body_rcv
    return b"" if received is None else bytes(received.getfile().read())


def encoding(request: HTTPRequestParser) -> str:
    """Return how a request says that its body is compressed, "" for not at all."""
    return str(request.headers.get("CONTENT_ENCODING", "")).strip().lower()


def _malformed(error: Any) -> Problem:
    kind, title = _TITLES.get(error.code, _TITLES[400])
    return Problem(error.code, kind, title, str(error.body))
