"""Serve a bundle in one process, or in several: what is loaded when, and who waits for the signals."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable

from nbslim.runtime.app import create_app
from nbslim.runtime.bundle import Bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.logs import say
from nbslim.runtime.server import HANDOVER_SECONDS, Server, listen
from nbslim.runtime.service import Service
from nbslim.runtime.settings import Settings
from nbslim.runtime.stopping import Stop, end_soon, spare_forks, stop_on_signals


def serve(settings: Settings, figures: Figures, load: Callable[[], Bundle]) -> int:
    """Listen, `load` the bundle, and serve it until a signal; return the exit code.

    Raises OSError where the port cannot be listened on, and what `load` raises.
    """
    listener = listen(settings.host, settings.port)
    service = Service(settings, figures)
    return (_alone if settings.workers == 1 else _shared)(service, listener, load)


def _alone(service: Service, listener: socket.socket, load: Callable[[], Bundle]) -> int:
    """Serve in this process; requests to the predictor are refused while the model is loaded."""
    server = Server(service, create_app(service), listener)
    server.loop.start()
    bundle = load()
    stop = stop_on_signals()  # before any request can be running that is to be answered
    service.serve(bundle)
    spare_forks()
    trial = _begin_trial(service, lambda: _say_where(bundle, listener))
    ended = _stopped(server, service, stop)
    if not ended:
        say("stopped with requests still running")
    if not ended or trial.is_alive():
        os._exit(0)  # a thread that does not end would keep the process
    end_soon()
    return 0


def _shared(service: Service, listener: socket.socket, load: Callable[[], Bundle]) -> int:
    """Serve in several processes, forked when the model is loaded."""
    from nbslim.runtime.workers import Workers  # noqa: PLC0415 - one process does without

    meanwhile = Server(service, create_app(service), listener.dup())
    meanwhile.loop.start()
    bundle = load()
    meanwhile.stop(service.settings.stop_timeout, HANDOVER_SECONDS)

    def work(tell_ready: Callable[[], object]) -> int:
        # Only here is anything scored: threads that a library starts for that would be missing after a fork.
        service.serve(bundle)
        server = Server(service, create_app(service), listener)
        stop = stop_on_signals()
        spare_forks()
        server.loop.start()
        _begin_trial(service, tell_ready)
        return 0 if _stopped(server, service, stop) else 1

    workers = Workers(service.settings.workers, work, service.figures, say)
    seconds = service.settings.stop_delay + service.settings.stop_timeout
    if not workers.run(lambda: _say_where(bundle, listener), listener.close, seconds):
        say("stopped with requests still running")
    return 0


def _stopped(server: Server, service: Service, stop: Stop) -> bool:
    """Wait for a signal, then finish what was accepted; return whether that ended in time."""
    stop.wait()
    service.retire()
    time.sleep(service.settings.stop_delay)
    return server.stop(service.settings.stop_timeout)


def _begin_trial(service: Service, then: Callable[[], object]) -> threading.Thread:
    """Try a sample in a thread of its own, so that a slow one keeps nobody from stopping."""

    def run() -> None:
        obstacle = service.try_one()
        if obstacle:
            say(f"not ready: {obstacle}")
        then()

    trial = threading.Thread(target=run, name="nbslim-trial", daemon=True)
    trial.start()
    return trial


def _say_where(bundle: Bundle, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    say(f"{bundle.name} listens on http://{f'[{host}]' if ':' in host else host}:{port}")
