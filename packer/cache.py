"""Folders of nbslim's cache that are either complete or not there."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

PARTIAL, LOCK = ".partial", ".lock"
"""What the names of half-written folders, and of the files that are locked meanwhile, end with."""

_RUNNING = "running"


def complete(folder: Path, make: Callable[[Path], None], *, anew: bool = False) -> Path:
    """Return `folder`, which `make` fills aside and which gets its name only when `make` has returned.

    Two runs at once do the work once; with `anew` it is done whatever is there, and replaces that. What a killed run
    left half-written is removed by the next that makes anything.
    """
    if not anew and used(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    reap(folder.parent)
    aside = folder.with_name(folder.name + PARTIAL)
    with locked(folder):
        if anew or not used(folder):
            shutil.rmtree(aside, ignore_errors=True)
            try:
                make(aside)
                shutil.rmtree(folder, ignore_errors=True)
                aside.rename(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return folder


def used(entry: Path) -> bool:
    """Note that `entry` is used now, so that clearing spares it while this runs; False if it is not there."""
    try:
        with guarded(entry.parent):
            os.utime(entry)
    except FileNotFoundError:
        return False
    except PermissionError:  # somebody else's cache, which may be read
        return entry.exists()
    return True


def reap(parent: Path) -> None:
    """Remove half-written folders that nobody is working on."""
    for aside in parent.glob("*" + PARTIAL):
        with contextlib.suppress(BlockingIOError), locked(aside.with_suffix(""), wait=False):
            shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def running(cache: Path) -> Iterator[float]:
    """Let clearing spare all that is used from now on, until the block ends or its process dies; yields the time."""
    folder = cache / _RUNNING
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / uuid4().hex
    with locked(own):
        yield lock_of(own).stat().st_mtime


def running_since(cache: Path) -> float:
    """Return the time at which the longest running block of `running` began; there must be one."""
    return min(_since(lock) for lock in (cache / _RUNNING).glob("*" + LOCK))


def _since(lock: Path) -> float:
    try:
        since = lock.stat().st_mtime
        with locked(lock.with_suffix(""), wait=False):
            return math.inf
    except FileNotFoundError:
        return math.inf
    except BlockingIOError:
        return since


def lock_of(entry: Path) -> Path:
    """Return the file whose lock is that of `entry`."""
    return entry.with_name(entry.name + LOCK)


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on `folder`, which dies with its process; BlockingIOError when it is taken."""
    path = lock_of(folder)
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

    @contextlib.contextmanager
    def guarded(folder: Path, *, alone: bool = False) -> Iterator[None]:
        """Windows removes nothing that is open."""
        del folder, alone
        yield

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextlib.contextmanager
    def guarded(folder: Path, *, alone: bool = False) -> Iterator[None]:
        """Keep entries of `folder` from being used while they are taken away (`alone`), and the other way round."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)
