"""Folders of nbslim's cache that are either complete or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

_PARTIAL = ".partial"


def complete(folder: Path, make: Callable[[Path], None]) -> Path:
    """Return `folder`, which `make` fills aside and which gets its name only when `make` has returned.

    Two runs at once do the work once. What a killed run left half-written is removed by the next that makes
    anything.
    """
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    _reap(folder.parent)
    aside = folder.with_name(folder.name + _PARTIAL)
    with _locked(folder, wait=True):
        if not folder.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
            try:
                make(aside)
                aside.rename(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder


def _reap(parent: Path) -> None:
    """Remove half-written folders that nobody is working on."""
    for aside in parent.glob("*" + _PARTIAL):
        with contextlib.suppress(BlockingIOError), _locked(aside.with_suffix(""), wait=False):
            shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock on `folder`, which dies with its process; BlockingIOError when it is taken."""
    path = folder.with_name(folder.name + ".lock")
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor, wait=wait)
            if _is_still(descriptor, path):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(descriptor)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the locked file is the one at `path`: its last owner removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt
    import time

    def _lock(descriptor: int, *, wait: bool) -> None:
        while not _try_to_lock(descriptor):
            if not wait:
                raise BlockingIOError
            time.sleep(0.1)

    def _try_to_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
