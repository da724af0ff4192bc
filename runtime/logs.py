"""What the service says of itself, on stderr: its own lines, warnings and errors."""

from __future__ import annotations

import logging
import os
import sys


def log_to_stderr() -> None:
    """Log warnings and errors of all libraries, but not that a request waits for a thread."""
    _open_closed()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def say(line: str) -> None:
    """Say a line to whoever operates the service."""
    sys.stderr.write(f"nbslim: {line}\n")
    sys.stderr.flush()


def _open_closed() -> None:
    """Open what was closed of stdin, stdout and stderr, or a socket gets its number and what is written there."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the first number that is free: this one
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - open until the end
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
