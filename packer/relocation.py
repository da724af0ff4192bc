"""Moves an interpreter's files from the paths of the machine they come from to those of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.elf import MAGIC, read_elf, relocate_strings, relocate_text, without_symbols

PREFIX = "/usr"
_SOURCES = "/usr/src"

# `/lib` links to `/usr/lib`, and is short enough to stand in for any run path.
_LIBRARIES = b"/lib"


@dataclass(frozen=True)
class Relocation:
    """What becomes of the paths in an interpreter's files."""

    moves: tuple[tuple[bytes, bytes], ...]
    """Old path and new path, neither in the other's way: applied in this order."""
    home: bytes
    """The user's home folder: build settings may name libraries there that lie outside the prefix."""

    @classmethod
    def to_prefix(cls, prefixes: Iterable[str], build_folders: Iterable[str], home: str) -> Relocation:
        """Move each of `prefixes` to `/usr`; paths as short as that stay, for nothing shorter would be right."""
        moves = [(old, PREFIX) for old in prefixes] + [(old, _SOURCES) for old in build_folders]
        fitting = tuple((old.encode(), new.encode()) for old, new in moves if len(old) > len(new))
        return cls(fitting, home.encode())

    def path(self, path: str) -> str:
        """Where `path` is in the image."""
        moved = path.encode()
        for old, new in self.moves:
            moved = relocate_text(moved, old, new)
        return moved.decode()

    def cleaned(self, source: Path) -> bytes:
        """Read `source` without debug symbols, run paths into the machine and old paths."""
        data = source.read_bytes()
        if data.startswith(MAGIC):
            return self._elf(source, without_symbols(data))
        for old, new in self.moves:
            data = relocate_text(data, old, new)
        # As short a path as /root is an example in some module's documentation, but never in the build's settings.
        if source.name.startswith("_sysconfigdata") and len(self.home) > 1:
            data = relocate_text(data, self.home, PREFIX.encode())
        return data

    def _elf(self, source: Path, data: bytes) -> bytes:
        elf = read_elf(source)
        for old in {path.encode() for path in (*elf.rpath, *elf.runpath)}:
            if old.startswith(b"/") and len(old) > len(_LIBRARIES):
                data = relocate_strings(data, old, _LIBRARIES)
        for old, new in self.moves:
            data = relocate_strings(data, old, new)
        return data


def without_symbols_only(source: Path) -> bytes:
    """Read `source` without debug symbols, and otherwise as it is."""
    data = source.read_bytes()
    return without_symbols(data) if data.startswith(MAGIC) else data
