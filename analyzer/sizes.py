"""What files occupy, with the bytecode that Python wrote for them."""

from __future__ import annotations

import os
from collections.abc import Iterable


def file_sizes(root: str, files: Iterable[str]) -> dict[str, int]:
    """Measure the files that exist, with the `.pyc` that Python wrote for them: RECORD lists none where uv installed.

    Reading whole folders takes a third of the time that asking for each file does.
    """
    wanted: dict[str, set[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        wanted.setdefault(folder, set()).add(name)
    sizes: dict[str, int] = {}
    for folder, names in wanted.items():
        path = os.path.normpath(f"{root}/{folder}")
        stems = {name[:-3] for name in names if name.endswith(".py")}
        found = [entry for entry in _entries(path) if entry.name in names]
        if stems:
            found += [entry for entry in _entries(f"{path}/__pycache__") if _stem(entry.name) in stems]
        sizes |= {entry.path: entry.stat().st_size for entry in found if entry.is_file()}
    return sizes


def _stem(bytecode: str) -> str | None:
    return bytecode.partition(".")[0] if bytecode.endswith(".pyc") else None


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # RECORD names what a cleaner took away
