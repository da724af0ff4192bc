"""Memory of a process that has loaded a model, and will keep it."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Look for no garbage while what stays is loaded, then once; give what is free back to the system.

    What was loaded is not looked through later either: that would touch, and so copy, memory that workers share.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()
    _give_back()


def _give_back() -> None:
    """Ask the C library to give back what was freed, where the model's libraries have loaded ctypes anyway."""
    ctypes = sys.modules.get("ctypes")
    if ctypes is not None:
        with contextlib.suppress(OSError, AttributeError):  # not every C library has it
            ctypes.CDLL(None).malloc_trim(0)
