"""Serve a bundle: `python -m nbslim.runtime [BUNDLE]`; variables of the environment set all else."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nbslim.runtime import removed
from nbslim.runtime.bundle import Bundle, BundleError, load_bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.logs import log_to_stderr
from nbslim.runtime.memory import loading
from nbslim.runtime.metrics import LOADING, MISSES
from nbslim.runtime.paths import add_distributions
from nbslim.runtime.pools import fit_pools
from nbslim.runtime.settings import Settings, SettingsError, read_settings, usage
from nbslim.runtime.stopping import end_on_signals, end_soon, spare_forks, stop_on_signals

if TYPE_CHECKING:
    from nbslim.runtime.server import Server
    from nbslim.runtime.service import Service
    from nbslim.runtime.stopping import Stop

USAGE = "usage: python -m nbslim.runtime [BUNDLE]"


class _UsageError(Exception):
    """The arguments are wrong."""


def main(arguments: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Serve until a signal; return 0, 1 where bundle or port cannot be used, 2 where what was set is wrong."""
    end_on_signals()
    log_to_stderr()
    if "--help" in arguments:
        sys.stdout.write(f"{USAGE}\n\nServes BUNDLE over HTTP. Variables of the environment:\n\n{usage()}")
        return 0
    try:
        settings = read_settings(environ)
        return _serve(_folder(arguments, settings), settings, environ)
    except (_UsageError, SettingsError) as error:
        _say(str(error))
        return 2
    except (BundleError, OSError) as error:
        _say(str(error))
        return 1


def _serve(folder: Path, settings: Settings, environ: MutableMapping[str, str]) -> int:
    figures = Figures(settings.workers + 1)  # 0 is this process, which alone writes that before the fork
    removed.install(lambda module: figures.add(MISSES, module))
    fit_pools(environ, settings.workers * settings.threads)
    add_distributions(environ)
    # Only now: where the user pins falcon or waitress, the pinned one is served with.
    from nbslim.runtime.server import listen  # noqa: PLC0415
    from nbslim.runtime.service import Service  # noqa: PLC0415

    listener = listen(settings.host, settings.port)
    service = Service(settings, figures)
    serve = _alone if settings.workers == 1 else _shared
    return serve(service, listener, lambda: _load(figures, folder))


def _load(figures: Figures, folder: Path) -> Bundle:
    begin = time.monotonic()
    with loading():
        bundle = load_bundle(folder)
    figures.set(LOADING, time.monotonic() - begin)
    return bundle


def _alone(service: Service, listener: socket.socket, load: Callable[[], Bundle]) -> int:
    """Serve in this process; requests to the predictor are refused while the model is loaded."""
    from nbslim.runtime.app import create_app  # noqa: PLC0415
    from nbslim.runtime.server import Server  # noqa: PLC0415

    server = Server(service, create_app(service), listener)
    server.loop.start()
    bundle = load()
    stop = stop_on_signals()  # before any request can be running that is to be answered
    service.serve(bundle)
    spare_forks()
    trial = _begin_trial(service, lambda: _say_where(bundle, listener))
    ended = _stopped(server, service, stop)
    if not ended:
        _say("stopped with requests still running")
    if not ended or trial.is_alive():
        os._exit(0)  # a thread that does not end would keep the process
    end_soon()
    return 0


def _shared(service: Service, listener: socket.socket, load: Callable[[], Bundle]) -> int:
    """Serve in several processes, forked when the model is loaded."""
    from nbslim.runtime.app import create_app  # noqa: PLC0415
    from nbslim.runtime.server import HANDOVER_SECONDS, Server  # noqa: PLC0415
    from nbslim.runtime.workers import Workers  # noqa: PLC0415

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

    workers = Workers(service.settings.workers, work, service.figures, _say)
    seconds = service.settings.stop_delay + service.settings.stop_timeout
    if not workers.run(lambda: _say_where(bundle, listener), listener.close, seconds):
        _say("stopped with requests still running")
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
            _say(f"not ready: {obstacle}")
        then()

    trial = threading.Thread(target=run, name="nbslim-trial", daemon=True)
    trial.start()
    return trial


def _say_where(bundle: Bundle, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    _say(f"{bundle.name} listens on http://{f'[{host}]' if ':' in host else host}:{port}")


def _folder(arguments: Sequence[str], settings: Settings) -> Path:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise _UsageError(USAGE)
    return Path(arguments[0] if arguments else settings.bundle)


def _say(line: str) -> None:
    sys.stderr.write(f"nbslim: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
