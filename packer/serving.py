"""Run a server on this machine until a signal ends it, with all processes that it started."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from types import FrameType

from nbslim.packer.errors import BuildError
from nbslim.runtime.settings import Settings

PATIENCE = 5
"""Seconds that a server gets to end, beyond those for running requests, before it is killed."""

Command = tuple[Sequence[str], Mapping[str, str]]
"""A command line, and the variables of its environment."""


def serve(server: AbstractContextManager[Command], settings: Settings) -> None:
    """Run the command that `server` gives, on the host and port of `settings`, until interrupted.

    Raises BuildError where the port cannot be had, before `server` is entered, or where the command fails.
    """
    _claim(settings.host, settings.port)
    with server as (command, variables):
        patience = math.ceil(settings.stop_delay + settings.stop_timeout) + PATIENCE
        _run(command, {**variables, "PORT": str(settings.port)}, patience)


def _claim(host: str, port: int) -> None:
    """Raise BuildError where nobody can listen on `port`, before any work is done for it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind((host, port))
            probe.listen()
        except (OSError, UnicodeError) as error:  # not every text can be looked up as a name
            why = getattr(error, "strerror", None) or error
            message = f"port {port} of {host} cannot be listened on: {why}"
            raise BuildError(message, hint="choose another one with --port, or set NBSLIM_HOST") from error


def _run(command: Sequence[str], variables: Mapping[str, str], patience: int) -> None:
    """Run the server, end it on SIGTERM, SIGINT or when the terminal closes, and return when it has ended.

    A second signal kills it, and so do `patience` seconds after the first.
    """
    received: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for process in started:
            process.terminate() if len(received) == 1 else process.kill()
        signal.alarm(patience)

    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM, *(() if nohup else (signal.SIGHUP,))):
        signal.signal(number, end)
    # A session of its own: the terminal's Ctrl-C reaches it through us alone.
    process = subprocess.Popen(command, env=dict(variables), cwd="/", start_new_session=True)
    started.append(process)
    if received:  # while it was being started
        process.terminate()
    try:
        code = process.wait()
    finally:
        signal.alarm(0)
        # What a predictor forked is left, and workers whose parent was killed.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if code and not received:  # until it serves, a signal ends it as it ends any program
        message = f"the server ended with exit code {code}"
        raise BuildError(message)
