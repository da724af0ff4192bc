"""What the service says of itself, on stderr: its own lines, warnings and errors."""

from __future__ import annotations

import logging
import sys


def log_to_stderr() -> None:
    """Log warnings and errors of all libraries, but not that a request waits for a thread."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def say(line: str) -> None:
    """Say a line to whoever operates the service."""
    sys.stderr.write(f"nbslim: {line}\n")
    sys.stderr.flush()
