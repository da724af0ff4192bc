"""Chooses the files of a standard library that an image holds."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Iterator
from pathlib import Path

# CPython's own tests, what only builds C code with it, and distributions that are not part of it.
_NEVER_FOLDERS = ("test", "tests", "idle_test", "config-*", "site-packages", "dist-packages")
_NEVER_FILES = (
    "*.opt-[12].pyc",
    "_test*.so",
    "_ctypes_test*.so",
    "_xxtestfuzz*.so",
    "xxlimited*.so",
    "xxsubtype*.so",
)

# An image has no display, no shell, no pip; `sitecustomize` is its old machine's; the *.exe are distutils' for Windows.
_LEFT_OUT_FOLDERS = ("__pycache__", "ensurepip", "venv", "idlelib", "turtledemo", "tkinter")
_LEFT_OUT_FILES = (
    "turtle.py",
    "_tkinter*.so",
    "sitecustomize.py",
    "usercustomize.py",
    "EXTERNALLY-MANAGED",
    "*.exe",
)


def stdlib_files(folder: Path, *, full: bool = False) -> Iterator[Path]:
    """Yield what to keep of the standard library in `folder`, relative to it, sorted.

    `full` keeps what an official image holds: bytecode, tkinter, IDLE, ensurepip and venv as well.
    """
    without_folders = _matcher(_NEVER_FOLDERS if full else _NEVER_FOLDERS + _LEFT_OUT_FOLDERS)
    without_files = _matcher(_NEVER_FILES if full else _NEVER_FILES + _LEFT_OUT_FILES)
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not without_folders(name))
        here = Path(place).relative_to(folder)
        yield from (here / name for name in sorted(names) if not without_files(name))


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    return lambda name: any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
