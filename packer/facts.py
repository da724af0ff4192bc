"""Facts about files that take long to find out, remembered by what identifies a file, which all links to it share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

MOST = 50_000
"""So many facts are kept: those that were asked for last."""

_known: dict[str, Any] = {}


def identity(path: Path) -> str:
    """Return what tells the file at `path` from all others, and from what it was before it was written anew."""
    status = path.stat()
    return f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}"


def known(kind: str, key: str, find: Callable[[], Any]) -> Any:
    """Return the plain value of this kind for `key`, from memory where it was found before."""
    name = f"{kind} {key}"
    value = _known.pop(name) if name in _known else find()
    _known[name] = value  # the last one now
    return value


def sha256_of(path: Path) -> str:
    """Return the hash of the content of `path`, in hexadecimal digits."""
    return str(known("sha256", identity(path), lambda: digest(path)))


@contextmanager
def remembering(store: Path) -> Iterator[None]:
    """Take from the file `store` what was found before, and leave there what is found in this block."""
    with suppress(OSError, ValueError):
        _known.update(json.loads(store.read_text("utf-8")))
    yield
    last = dict(list(_known.items())[-MOST:])
    aside = store.with_name(f".{store.name}.{uuid4().hex}")
    try:
        aside.write_text(json.dumps(last), "utf-8")
        aside.replace(store)
    except OSError:  # a full disk loses no more than time
        aside.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """Return the same, read from the file in any case."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return hashed.hexdigest()
