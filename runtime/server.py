"""Serve an application on waitress until a signal asks to stop, then finish what was accepted."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from waitress import create_server, wasyncore  # type: ignore[import-untyped]  # waitress ships no types

HOST = "0.0.0.0"
THREADS = 4
STOPPING = (signal.SIGTERM, signal.SIGINT)
DRAIN_SECONDS = 10
QUIET_SECONDS = 0.2
"""How long a connection that was just accepted may take to bring its request once the server stops."""
IN_MEMORY = 1 << 30
"""waitress writes larger bodies to temporary files, and an image may have no folder that can be written."""

_Sockets = dict[int, Any]


def serve(app: Callable[..., Any], port: int, on_listen: Callable[[int], None], host: str = HOST) -> bool:
    """Serve `app` until SIGTERM or SIGINT, then finish what runs; return whether all was finished in time.

    `on_listen` gets the port, which the system chooses where `port` is 0.
    Raises OSError when the port cannot be listened on.
    """
    sockets: _Sockets = {}
    server = create_server(
        app,
        map=sockets,
        host=host,
        port=port,
        threads=THREADS,
        inbuf_overflow=IN_MEMORY,
        outbuf_overflow=IN_MEMORY,
    )
    signals = _note_signals(server.pull_trigger)
    on_listen(int(server.effective_port))
    while not signals:
        wasyncore.loop(timeout=1, use_poll=True, map=sockets, count=1)
    _stop_listening(server)
    return _drain(server, sockets)


def _note_signals(wake: Callable[[], None]) -> list[int]:
    """Return a list that grows with each signal to stop; `wake` ends the wait, which a signal does not."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a signal handler
        received.append(number)
        wake()

    for number in STOPPING:
        signal.signal(number, note)
    _spare_forks()
    return received


def _spare_forks() -> None:
    """Let the signals end what a predictor forks, such as a pool's workers, as they end other processes."""

    def set_mask(how: int) -> None:
        signal.pthread_sigmask(how, STOPPING)

    def forget() -> None:
        for number in STOPPING:
            signal.signal(number, signal.SIG_DFL)
        set_mask(signal.SIG_UNBLOCK)

    # Blocked meanwhile: Python drops what a process receives before it knows itself to be a fork.
    os.register_at_fork(
        before=lambda: set_mask(signal.SIG_BLOCK),
        after_in_parent=lambda: set_mask(signal.SIG_UNBLOCK),
        after_in_child=forget,
    )


def _stop_listening(server: Any) -> None:
    """Stop listening, after accepting what the kernel has accepted already: closing would reset it."""
    waiting = select.poll()
    waiting.register(server.socket, select.POLLIN)
    for _ in range(server.adj.backlog):
        if not waiting.poll(0):
            break
        server.handle_accept()
    # Not the server's own close(): it also closes the trigger by which workers say that an answer is ready.
    wasyncore.dispatcher.close(server)


def _drain(server: Any, sockets: _Sockets) -> bool:
    end = time.monotonic() + DRAIN_SECONDS
    quiet = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < min(end, quiet):
        wasyncore.loop(timeout=QUIET_SECONDS / 4, use_poll=True, map=sockets, count=1)
        channels = list(server.active_channels.values())
        for request in [request for channel in channels for request in channel.requests]:
            request.headers["CONNECTION"] = "close"  # the answer tells the client not to send another
        if any(map(_busy, channels)):
            quiet = time.monotonic() + QUIET_SECONDS
    return not any(map(_busy, server.active_channels.values()))


def _busy(channel: Any) -> bool:
    return bool(channel.requests or channel.request or channel.total_outbufs_len)
