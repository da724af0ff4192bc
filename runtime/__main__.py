"""Serve a bundle: `python -m nbslim.runtime [BUNDLE]`; variables of the environment set all else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import MutableMapping, Sequence
from pathlib import Path

from nbslim.runtime import removed
from nbslim.runtime.bundle import Bundle, BundleError, load_bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.logs import log_to_stderr, say
from nbslim.runtime.memory import loading
from nbslim.runtime.metrics import LOADING, MISSES
from nbslim.runtime.paths import add_distributions
from nbslim.runtime.pools import fit_pools
from nbslim.runtime.settings import Settings, SettingsError, misspelt, read_settings, usage
from nbslim.runtime.stopping import end_on_signals

USAGE = "usage: python -m nbslim.runtime [BUNDLE]"


class _UsageError(Exception):
    """The arguments are wrong."""


def main(arguments: Sequence[str], environ: MutableMapping[str, str]) -> int:
    """Serve until a signal; return 0, 1 where bundle or port cannot be used, 2 where what was set is wrong."""
    end_on_signals()
    log_to_stderr()
    if not {"-h", "--help"}.isdisjoint(arguments):
        sys.stdout.write(f"{USAGE}\n\nServes BUNDLE over HTTP. Variables of the environment:\n\n{usage()}")
        return 0
    try:
        settings = read_settings(environ)
        for name, meant in misspelt(environ).items():
            say(f"{name} is not a variable of the service; is {meant} meant?")
        return _serve(_folder(arguments, settings), settings, environ)
    except (_UsageError, SettingsError) as error:
        say(str(error))
        return 2
    except (BundleError, OSError) as error:
        say(str(error))
        return 1


def _serve(folder: Path, settings: Settings, environ: MutableMapping[str, str]) -> int:
    figures = Figures(settings.workers + 1)  # 0 is this process, which alone writes that before the fork
    removed.install(lambda module: figures.add(MISSES, module))
    fit_pools(environ, settings.workers * settings.threads)
    add_distributions(environ)
    # Only now: where the user pins falcon or waitress, the pinned one is served with.
    from nbslim.runtime.serving import serve  # noqa: PLC0415 - see above

    return serve(settings, figures, lambda: _load(figures, folder))


def _load(figures: Figures, folder: Path) -> Bundle:
    begin = time.monotonic()
    with loading():
        bundle = load_bundle(folder)
    figures.set(LOADING, time.monotonic() - begin)
    return bundle


def _folder(arguments: Sequence[str], settings: Settings) -> Path:
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        raise _UsageError(USAGE)
    return Path(arguments[0] if arguments else settings.bundle)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
