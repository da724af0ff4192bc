"""What a pickle or a model file would import when it is loaded, and how it gets there, found without loading it."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from nbslim.analyzer.made import Contents
from nbslim.analyzer.reached import Reference, references
from nbslim.analyzer.types import Place
from nbslim.analyzer.unpickler import Data, unpickle

_ZIP = b"PK\3\4"
_COMPRESSED: dict[bytes, Callable[[IO[bytes]], IO[bytes]]] = {
    b"\x1f\x8b": lambda file: cast(IO[bytes], gzip.GzipFile(fileobj=file)),
    b"BZ": bz2.BZ2File,
    b"\x5d\x00": lzma.LZMAFile,
    b"\xfd7": lzma.LZMAFile,
    b"x": lambda file: io.BytesIO(zlib.decompress(file.read())),
}
_LZ4 = b"\x04\x22\x4d\x18"


@dataclass(frozen=True)
class Pickled:
    """What pickles hold: the names in modules that loading them needs, and the notebook's functions."""

    modules: frozenset[str]
    """Dotted; the notebook itself is `__main__`."""
    references: tuple[Reference, ...]
    """How names are reached, at least one for each module that anything refers to."""
    functions: frozenset[Place]
    """Where the functions start whose code the pickles carry; told by the code's file, `<cell 3>`."""
    files: frozenset[str] = frozenset()
    """Texts in them that look like names of files."""

    def with_file(self, name: str, other: Pickled) -> Pickled:
        """Return it with what the file `name` holds that its functions open."""
        reached = (Reference(one.found, (name, *one.path), one.inside) for one in other.references)
        return Pickled(
            self.modules | other.modules,
            (*self.references, *reached),
            self.functions | other.functions,
            self.files,
        )


def read_pickle(data: bytes, buffers: Iterable[Data] = ()) -> Pickled:
    """Read a pickle, those inside its bytes and in the `buffers` that are kept out of it included.

    Raises ValueError where `data` is no whole pickle.
    """
    return _pickled([unpickle(io.BytesIO(data), _inside, buffers)])


def read_model(path: Path) -> Pickled | None:
    """Read a file as pickle, joblib and torch write it, compressed or not; None if it is another kind of file.

    Raises ValueError where it is such a file and cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        if start == _LZ4:
            raise ValueError("it is compressed by lz4")
        if start == _ZIP:
            return _pickled(_in_zip(file))
        opened = next((opener for magic, opener in _COMPRESSED.items() if start.startswith(magic)), None)
        try:
            stream = opened(file) if opened else file
            return _pickled(_in_stream(stream)) if _begins_pickle(stream) else None
        except (zlib.error, EOFError, OSError, lzma.LZMAError):
            return None  # what begins like compressed data need not be any


def _pickled(read: Iterable[Contents]) -> Pickled:
    whole = list(read)
    return Pickled(
        frozenset(module for one in whole for module in one.modules),
        tuple(reference for one in whole for reference in references(one.root)),
        frozenset(place for one in whole for place in one.functions),
        frozenset(file for one in whole for file in one.files),
    )


def _begins_pickle(stream: IO[bytes]) -> bool:
    start = stream.read(2)
    stream.seek(0)
    return _is_start(start)


def _is_start(data: bytes) -> bool:
    return data[:1] == b"\x80" and data[1:2] in {b"\2", b"\3", b"\4", b"\5"}


def _in_stream(stream: IO[bytes]) -> list[Contents]:
    """Read the pickles that follow each other; only the first must be whole, data may come behind."""
    read = [unpickle(stream, _inside)]
    while True:
        try:
            read.append(unpickle(stream, _inside))
        except ValueError:
            return read


def _inside(data: Data) -> list[Contents]:
    """Read the pickles in `data`: the data themselves, maybe in base64, or the `.pkl` members of a zip container."""
    if not bytes(data[:2]).startswith((b"gA", b"PK", b"\x80")):
        return []  # most data are numbers, and a copy of all of them is for nothing
    data = bytes(data)
    if data.startswith(b"gA"):  # what a pickle's first bytes are in base64
        with suppress(ValueError):
            data = base64.b64decode(data, validate=True)
    if data.startswith(_ZIP):
        return _in_zip(io.BytesIO(data))
    if not (_is_start(data) and data.endswith(b".")):
        return []
    try:
        return [unpickle(io.BytesIO(data), _inside)]
    except ValueError:
        return []  # it only begins and ends like a pickle; bytecode does at times


def _in_zip(file: IO[bytes]) -> list[Contents]:
    try:
        with zipfile.ZipFile(file) as archive:
            members = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        return []
    return [inner for member in members for inner in _inside(member)]
