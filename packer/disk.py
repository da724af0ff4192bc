"""Says which folder could not be written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbslim.packer.errors import BuildError


@contextmanager
def writing(what: str, folder: Path) -> Iterator[None]:
    """Turn what the operating system refuses in this block (a full disk, a read-only folder) into one BuildError."""
    try:
        yield
    except OSError as exc:
        where = f" ({exc.filename})" if exc.filename else ""
        raise BuildError(f"{what} could not be written to {folder}: {exc.strerror or exc}{where}") from exc
