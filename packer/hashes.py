"""Content hashes of files, remembered by size, times and inode, so that only what changed is read again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nbslim.packer.facts import digest
from nbslim.packer.remembered import key_of, recall, remember

_SETTLED_SECONDS = 2
"""A file that was just written may be written again within one tick of the clock that stamps it."""


def content_hashes(root: Path, paths: Iterable[Path], *, memory: Path) -> dict[str, str]:
    """Map what is at `paths`, all below `root`, to hashes of the contents; of folders, only that they are there.

    The folder `memory` keeps the hashes for the next time.
    """
    key = key_of(str(root.absolute()))
    known = recall(memory, key) or {}
    found = {str(path.relative_to(root)): _hashed(path, known) for path in paths}
    settled = {str(entry): value for entry, value in found.values() if entry and _is_settled(entry)}
    if settled != known:
        remember(memory, key, settled)
    return {name: value for name, (_, value) in found.items()}


_Entry = tuple[str, int, int, int, int, int]


def _hashed(path: Path, known: dict[str, Any]) -> tuple[_Entry | None, str]:
    try:
        status = path.stat()
        if path.is_dir():
            return None, "folder"
        entry = (
            str(path), status.st_size, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_ino,
        )  # fmt: skip
        value = known.get(str(entry))
        return entry, value or f"{status.st_mode & 0o111:o} {digest(path)}"
    except OSError as error:  # it cannot be copied either, which is an error where it is needed
        return None, f"unreadable: {error.errno}"


def _is_settled(entry: _Entry) -> bool:
    return max(entry[3], entry[4]) < (time.time() - _SETTLED_SECONDS) * 1e9
