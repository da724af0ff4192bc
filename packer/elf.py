"""Reads, trims and relocates ELF files; the only module that sees pyelftools."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment
from nbslim.packer.errors import BuildError
from nbslim.packer.facts import identity, known

MAGIC = b"\x7fELF"


@dataclass(frozen=True)
class Elf:
    """What the dynamic loader reads of an ELF file; `kind` is word size and machine, and must match to be loaded."""

    kind: tuple[int, str]
    interpreter: str | None
    """The loader's absolute path (PT_INTERP), for executables."""
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]


def is_elf(path: Path) -> bool:
    """Whether `path` is a regular file that begins as ELF files do."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_elf(path: Path) -> Elf:
    """Read the parts of `path` that decide what it loads, once for each file. Raise BuildError if it is broken."""
    kind, interpreter, *lists = known("elf", identity(path), lambda: astuple(_read_file(path)))
    return Elf(tuple(kind), interpreter, *map(tuple, lists))


def _read_file(path: Path) -> Elf:
    try:
        with path.open("rb") as file:
            return _read(ELFFile(file))
    except (ELFError, UnicodeDecodeError, struct.error) as exc:
        raise BuildError(f"{path}: not a readable ELF file ({exc})") from exc


def needed(path: Path) -> tuple[str, ...]:
    """Names of the shared libraries that `path` asks for (DT_NEEDED), in its own order."""
    return read_elf(path).needed


def run_paths(path: Path) -> tuple[str, ...]:
    """Folders that `path` tells the loader to search (DT_RPATH, DT_RUNPATH), as written, `$ORIGIN` and all."""
    elf = read_elf(path)
    return (*elf.rpath, *elf.runpath)


def without_symbols(data: bytes) -> bytes:
    """Cut what lies behind the last segment: debug information, symbol table, section headers.

    Nothing moves, so no offset changes, unlike `strip`. The loader never reads what is cut.
    """
    file = ELFFile(io.BytesIO(data))
    end = file["e_phoff"] + file["e_phnum"] * file["e_phentsize"]
    end = max([end, *(segment["p_offset"] + segment["p_filesz"] for segment in file.iter_segments())])
    if end >= len(data):
        return data
    # e_shoff stands behind e_entry and e_phoff; e_shnum and e_shstrndx are the header's last two half words.
    offset, size, header = (40, 8, 64) if file.elfclass == 64 else (32, 4, 52)
    trimmed = bytearray(data[:end])
    trimmed[offset : offset + size] = bytes(size)
    trimmed[header - 4 : header] = bytes(4)
    return bytes(trimmed)


def relocate_text(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the path `old` by `new` wherever it is a whole path or the beginning of one."""
    return _path(old).sub(lambda _: new, data) if old in data else data


def relocate_strings(data: bytes, old: bytes, new: bytes) -> bytes:
    """Replace the path in NUL-terminated strings, leaving all lengths and offsets as they are.

    The rest of a string moves up and NULs fill the gap, as conda does with the prefix of its packages
    (`conda/core/portability.py`). But linkers let one constant be the tail of another: CPython's own version,
    `3.11.7`, is the tail of the prefix `~/.pyenv/versions/3.11.7`. So the old tail stays in place behind the NULs.

    Raise ValueError if `new` is longer than `old`.
    """
    if len(new) > len(old):
        raise ValueError(f"{new!r} does not fit into {old!r}")
    if old not in data:
        return data
    path = _path(old)
    string = re.compile(path.pattern + rb"[^\0]*")
    tail = len(old) - old.rfind(b"/")

    def shift(match: re.Match[bytes]) -> bytes:
        text = match[0]
        moved = path.sub(lambda _: new, text)
        room = len(text) - len(moved)
        last = text.rfind(old) + len(old)
        kept = min(max(room - 1, 0), tail + len(text) - last)
        return moved + bytes(room - kept) + text[len(text) - kept :]

    return string.sub(shift, data)


def _path(old: bytes) -> re.Pattern[bytes]:
    # `/opt/py3.1` must not match in `/opt/py3.11` or `/opt/py3.1.2`, but in `/opt/py3.1.` at the end of a sentence.
    return re.compile(re.escape(old) + rb"(?![\w+-]|\.\w)")


def _read(file: ELFFile) -> Elf:
    interpreter = None
    tags: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RPATH": [], "DT_RUNPATH": []}
    for segment in file.iter_segments():
        if isinstance(segment, InterpSegment):
            interpreter = segment.get_interp_name()
        if isinstance(segment, DynamicSegment):
            for tag, text in _strings(segment):
                tags[tag].append(text)
    return Elf(
        kind=(file.elfclass, file["e_machine"]),
        interpreter=interpreter,
        needed=tuple(tags["DT_NEEDED"]),
        rpath=_folders(tags["DT_RPATH"]),
        runpath=_folders(tags["DT_RUNPATH"]),
    )


def _strings(segment: DynamicSegment) -> Iterator[tuple[str, str]]:
    for tag in segment.iter_tags():
        kind = tag.entry.d_tag
        if kind in ("DT_NEEDED", "DT_RPATH", "DT_RUNPATH"):
            # pyelftools names the attribute after the tag: `needed`, `rpath`, `runpath`.
            yield kind, getattr(tag, kind.removeprefix("DT_").lower())


def _folders(run_paths: list[str]) -> tuple[str, ...]:
    return tuple(folder for run_path in run_paths for folder in run_path.split(":") if folder)
