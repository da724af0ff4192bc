"""Keep the large buffers of a pickle in one file beside it, which processes map into memory and share.

The file begins with a line: the lengths of all buffers, as JSON. One file and not many: each mapping holds a
descriptor, and a forest has thousands of arrays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

FILE = "entry_points.buffers"
LEAST = 1 << 16
"""So many bytes are worth a place of their own; what is smaller stays in the pickle."""
_ALIGNED = 64
"""A line of the processor's cache, and what its widest vectors want."""


def write_buffers(path: Path, buffers: Sequence[memoryview]) -> None:
    """Write the bytes of `buffers` to a new file at `path`; without any, there is none."""
    path.unlink(missing_ok=True)  # whoever has the old one mapped keeps it
    if not buffers:
        return
    with path.open("xb") as file:
        file.write(json.dumps([buffer.nbytes for buffer in buffers]).encode() + b"\n")
        for buffer in buffers:
            file.write(bytes(-file.tell() % _ALIGNED))
            file.write(buffer)


def map_buffers(path: Path) -> list[memoryview]:
    """Return the buffers of the file at `path`, for `pickle.load`.

    They can be written to, which changes no file: a page that is written becomes the process's own (copy on write).
    """
    import mmap  # noqa: PLC0415 - few bundles have large arrays

    with path.open("rb") as file:
        lengths, place = json.loads(file.readline()), file.tell()
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    buffers = []
    for length in lengths:
        place += -place % _ALIGNED
        buffers.append(mapped[place : place + length])
        place += length
    return buffers
