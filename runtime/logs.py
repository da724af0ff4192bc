"""What the service says of itself, on stderr: its own lines, warnings and errors."""

from __future__ import annotations

import contextlib
import logging
import os
import sys

_STDERR = 2
_UNWRITTEN = (OSError, ValueError, AttributeError)
"""What writing raises where nobody reads, the disk is full, or a predictor closed or replaced the stream."""


def log_to_stderr() -> None:
    """Log warnings and errors of all libraries, but not that a request waits for a thread."""
    _open_closed()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def say(line: str) -> None:
    """Say a line to whoever operates the service, if anybody reads it."""
    with contextlib.suppress(OSError):
        os.write(_STDERR, f"nbslim: {line}\n".encode(errors="backslashreplace"))


def flush() -> None:
    """Write what is still to be written to stdout and stderr, as far as that is possible."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(*_UNWRITTEN):
            stream.flush()


def _open_closed() -> None:
    """Open what was closed of stdin, stdout and stderr, or a socket gets its number and what is written there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the first number that is free: this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open until the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115 - the same
