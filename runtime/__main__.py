"""Serve a bundle: `python -m nbslim.runtime [BUNDLE]`, on the port that PORT names."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from nbslim.runtime import removed
from nbslim.runtime.bundle import BundleError, load_bundle
from nbslim.runtime.logs import log_to_stderr
from nbslim.runtime.paths import add_distributions


class _UsageError(Exception):
    """The arguments or the environment are wrong."""


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Serve until a signal; return 0, 1 where bundle or port cannot be used, 2 where arguments are wrong."""
    _end_on_signals()
    log_to_stderr()
    removed.install()
    try:
        return _serve(_folder(arguments, environ), _port(environ), environ)
    except _UsageError as error:
        _say(str(error))
        return 2
    except (BundleError, OSError) as error:
        _say(str(error))
        return 1


def _serve(folder: Path, port: int, environ: Mapping[str, str]) -> int:
    add_distributions(environ)
    # Only now: where the user pins falcon or waitress, the pinned one is served with.
    from nbslim.runtime.app import create_app  # noqa: PLC0415 - see above
    from nbslim.runtime.server import HOST, serve  # noqa: PLC0415 - see above

    bundle = load_bundle(folder)
    drained = serve(
        create_app(bundle),
        port,
        on_listen=lambda port: _say(f"{bundle.name} listens on http://{HOST}:{port}"),
    )
    if not drained:
        _say("stopped with requests still running")
        os._exit(0)  # a thread that does not end would keep the process
    return 0


def _end_on_signals() -> None:
    """End at once while nothing is served yet; without a handler, process 1 would ignore the signal."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))


def _folder(arguments: Sequence[str], environ: Mapping[str, str]) -> Path:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise _UsageError("usage: python -m nbslim.runtime [BUNDLE]")
    return Path(arguments[0] if arguments else environ.get("NBSLIM_BUNDLE") or "/app/model")


def _port(environ: Mapping[str, str]) -> int:
    value = environ.get("PORT") or "8080"
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise _UsageError(f"PORT must be a number from 1 to 65535, not {value!r}")
    return int(value)


def _say(line: str) -> None:
    sys.stderr.write(f"nbslim: {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
