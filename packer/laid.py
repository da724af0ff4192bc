"""An interpreter laid down once: kept in nbslim's cache as a folder whose files are linked into every tree."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.cache import complete
from nbslim.packer.distributions import link_file
from nbslim.packer.rootfs import lay_link

BYTECODE = "__pycache__"

_FORMAT = 1  # changes when folders made by an older nbslim must not be used any more
_NOTES = "laid.json"


@dataclass(frozen=True)
class Laid:
    """An interpreter in a folder of its own, and what it took of the operating system."""

    tree: Path
    bytes: int
    libraries: Mapping[str, str]
    """The shared libraries in `/usr/lib`, by name, with their paths in the old root."""
    missing: Mapping[str, str]
    """Names of shared libraries that were found nowhere, each with a file that asks for it."""


def laid_once(cache: Path, described: object, files: Mapping[str, Path], lay: Callable[[Path], Laid]) -> Laid:
    """Return the interpreter that `lay` laid into a folder of `cache`, from there if neither it nor `files` changed."""
    folder = cache / "interpreters" / _key(described, files)

    def make(aside: Path) -> None:
        laid = lay(aside / "tree")
        (aside / _NOTES).write_text(json.dumps([laid.bytes, laid.libraries, laid.missing]))

    complete(folder, make)
    return Laid(folder / "tree", *json.loads((folder / _NOTES).read_text()))


def link_tree(source: Path, target: Path, *, bytecode: bool) -> int:
    """Lay the folders, links and files of `source` into `target` without copying bytes; returns their sizes' sum."""
    size = 0
    for folder, names, files in os.walk(source):
        if not bytecode and BYTECODE in names:
            names.remove(BYTECODE)
        here = target / Path(folder).relative_to(source)
        here.mkdir(parents=True, exist_ok=True)
        here.chmod(Path(folder).stat().st_mode)
        for name in [*names, *files]:
            path = Path(folder, name)
            if path.is_symlink():
                lay_link(here / name, str(path.readlink()))
            elif name in files:
                link_file(path, here / name)
                size += path.stat().st_size
    return size


def valid_bytecode(source: Path, cache_tag: str) -> Path | None:
    """Return the bytecode beside `source` that Python takes for it: made from a file of its size and time."""
    path = source.parent / BYTECODE / f"{source.stem}.{cache_tag}.pyc"
    if not path.is_file():
        return None
    status = source.stat()
    with path.open("rb") as file:
        flags, seconds, size = struct.unpack("<4xLLL", file.read(16).ljust(16, b"\xff"))
    expected = (0, int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    return path if (flags, seconds, size) == expected else None


def _key(described: object, files: Mapping[str, Path]) -> str:
    seen = [(name, _state(path)) for name, path in files.items()]
    return hashlib.sha256(repr((_FORMAT, described, seen)).encode()).hexdigest()[:24]


def _state(path: Path) -> tuple[int, ...]:
    """Return what is another one once the file was written again."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ino
