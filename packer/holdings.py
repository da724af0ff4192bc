"""What nbslim's cache holds, how much of it there is, and how it is taken away."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbslim.packer.cache import LOCK, PARTIAL, guarded, locked, reap, running, running_since

KINDS = {
    "environments": ("environments",),
    "runtimes": ("runtime",),
    "interpreters": ("interpreters", "full"),
    "libraries": ("cut", "facts.json"),
    "resolutions": ("resolutions",),
    "bytecode": ("bytecode/*",),
    "layers": ("layers",),
    "notebooks": ("notebooks", "hashes"),
    "packs": ("receipts",),
}
"""What is kept, with the folders of the cache in which its entries lie, and files that are entries themselves."""

_SYSTEMS = ("", "bases/*")  # this machine, and each base image


@dataclass(frozen=True)
class Holding:
    """All entries of one kind; of files that several entries share, the bytes are counted once."""

    count: int
    bytes: int


def holdings(cache: Path) -> dict[str, Holding]:
    """Return what `cache` holds of each kind."""
    seen: set[tuple[int, int]] = set()
    return {kind: _holding(list(_entries(cache, kind)), seen) for kind in KINDS}


def as_json(cache: Path, found: Mapping[str, Holding]) -> dict[str, Any]:
    """Return holdings as plain values, with their total."""
    return {
        "folder": str(cache),
        "kinds": {k: asdict(h) for k, h in found.items()},
        "total": asdict(_total(found)),
    }


def as_text(cache: Path, found: Mapping[str, Holding]) -> str:
    """Return holdings as a table, with their total."""
    rows = [*found.items(), ("total", _total(found))]
    lines = [f"{kind:<14}{held.count:>8}{held.bytes / 1e6:>12,.1f} MB" for kind, held in rows]
    return "\n".join([str(cache), *lines])


def _total(found: Mapping[str, Holding]) -> Holding:
    return Holding(sum(held.count for held in found.values()), sum(held.bytes for held in found.values()))


def clear(cache: Path, kinds: Collection[str], *, unused_seconds: float = 0) -> dict[str, Holding]:
    """Take away the entries of `kinds`, but for what was used in the last seconds or by whoever runs now.

    Returns what was taken away.
    """
    if not cache.is_dir():
        return {kind: Holding(0, 0) for kind in kinds}
    with running(cache):
        limit = min(running_since(cache), time.time() - unused_seconds)
        seen: set[tuple[int, int]] = set()
        return {kind: _clear(cache, kind, limit, seen) for kind in kinds}


def _clear(cache: Path, kind: str, limit: float, seen: set[tuple[int, int]]) -> Holding:
    for folder in _folders(cache, kind):
        reap(folder)
    counted = [(entry, _holding([entry], seen)) for entry in _entries(cache, kind)]
    taken = [holding for entry, holding in counted if _take_away(entry, limit)]
    return Holding(len(taken), sum(holding.bytes for holding in taken))


def _take_away(entry: Path, limit: float) -> bool:
    """Remove an entry that was last used before `limit`; it is renamed first, so that nobody finds half of it."""
    aside = entry.with_name(entry.name + PARTIAL)
    with contextlib.suppress(BlockingIOError, FileNotFoundError), locked(entry, wait=False):
        with guarded(entry.parent, alone=True):
            if entry.stat().st_mtime >= limit:
                return False
            entry.rename(aside)
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        else:
            aside.unlink()
        return True
    return False


def _places(cache: Path, kind: str) -> Iterator[Path]:
    for system in _SYSTEMS:
        for place in KINDS[kind]:
            yield from cache.glob(f"{system}/{place}".lstrip("/"))


def _folders(cache: Path, kind: str) -> Iterator[Path]:
    yield from (place for place in _places(cache, kind) if place.is_dir())


def _entries(cache: Path, kind: str) -> Iterator[Path]:
    yield from (place for place in _places(cache, kind) if place.is_file())
    for folder in _folders(cache, kind):
        yield from (path for path in sorted(folder.iterdir()) if path.suffix not in (PARTIAL, LOCK))


def _holding(entries: Collection[Path], seen: set[tuple[int, int]]) -> Holding:
    return Holding(len(entries), sum(_bytes(entry, seen) for entry in entries))


def _bytes(entry: Path, seen: set[tuple[int, int]]) -> int:
    """Return the bytes of the files at and below `entry` that are not in `seen`, and note them there."""
    total = 0
    for path in (entry, *entry.rglob("*")) if entry.is_dir() else (entry,):
        with contextlib.suppress(FileNotFoundError):
            status = path.lstat()
            if not path.is_dir() and (status.st_dev, status.st_ino) not in seen:
                seen.add((status.st_dev, status.st_ino))
                total += status.st_size
    return total
