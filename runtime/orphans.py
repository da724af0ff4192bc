"""Orphans that process 1 inherits: taken note of when they have ended, so that no zombies pile up."""

from __future__ import annotations

import os
from collections.abc import Set
from pathlib import Path

SECONDS = 10.0
"""How often to look; so long whoever is to wait for a process has to do it."""


def reap(before: Set[int]) -> Set[int]:
    """Reap the orphans that had ended at the last look, `before`; return those that have ended since.

    The kernel gives orphans to the main thread, while the predictor's own children belong to the threads in which it
    runs; those are not touched. What a thread leaves behind goes to the main thread, too, hence the second look.
    """
    ended = {child for child in _children() if _has_ended(child)}
    for child in ended & before:
        os.waitpid(child, os.WNOHANG)
    return ended - before


def _children() -> list[int]:
    """Return the main thread's children; none where the kernel does not tell them."""
    process = os.getpid()
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _has_ended(child: int) -> bool:
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return False
