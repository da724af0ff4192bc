"""What the service logs: warnings and errors, to stderr."""

from __future__ import annotations

import logging


def log_to_stderr() -> None:
    """Log warnings and errors of all libraries, but not that a request waits for a thread."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
