"""Check that the files of a bundle are those that its manifest lists."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

try:  # not hashlib: that loads OpenSSL, which an image has for no other reason
    from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # since Python 3.12
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:  # Fedora and its kin build neither
        from hashlib import sha256

MANIFEST = "manifest.json"
_BLOCK = 1 << 20


class IntegrityError(Exception):
    """A bundle is not as it was packed; the message is one line that says which file, what is wrong, what to do."""

    def __init__(self, path: Path, fault: str) -> None:
        name = str(path)
        super().__init__(f"{name if name.isprintable() else ascii(name)}: {fault}; pack the notebook again")


def check_files(folder: Path, listed: object) -> None:
    """Raise IntegrityError for a file of `folder` that is not as `listed`, its manifest's list, has it.

    Nothing is taken from a file but its hash. Raises OSError for what cannot be read.
    """
    expected, found = _parsed(folder / MANIFEST, listed), dict(files_of(folder))
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise IntegrityError(folder / name, f"it is in the list of {MANIFEST}, and not there")
        if name not in expected:
            raise IntegrityError(folder / name, f"it is there, and not in the list of {MANIFEST}")
        size, sha256_then = expected[name]
        if found[name] != size:
            raise IntegrityError(folder / name, f"it was packed with {size} bytes, and has {found[name]}")
        if digest(folder / name) != sha256_then:
            raise IntegrityError(folder / name, "it was changed since it was packed")


def _parsed(manifest: Path, listed: object) -> dict[str, tuple[int, str]]:
    if not isinstance(listed, Mapping):
        raise IntegrityError(manifest, "it lists no files")
    return {name: _entry(manifest, name, entry) for name, entry in listed.items()}


def _entry(manifest: Path, name: str, entry: Any) -> tuple[int, str]:
    if not {"", ".", ".."}.isdisjoint(name.split("/")) or name == MANIFEST:
        raise IntegrityError(manifest, f"{name!a} in its list is no path of a file in the bundle")
    try:
        return entry["size"], entry["sha256"]
    except (KeyError, TypeError):
        raise IntegrityError(manifest, f"{name!a} in its list has no size or no sha256") from None


def files_of(folder: Path, below: str = "") -> Iterator[tuple[str, int]]:
    """Yield name and size of all files in `folder` but the manifest. Raises IntegrityError for a link or a device."""
    with os.scandir(folder / below) as entries:
        for entry in entries:
            name = below + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from files_of(folder, f"{name}/")
            elif not entry.is_file(follow_symlinks=False):
                raise IntegrityError(folder / name, "it is neither a file nor a folder")
            elif name != MANIFEST:
                yield name, entry.stat(follow_symlinks=False).st_size


def digest(path: Path) -> str:
    """Return the SHA-256 of what is in the file, in hexadecimal digits."""
    hashed, block = sha256(), memoryview(bytearray(_BLOCK))
    # Not the path's own open(): who traces this knows by the calling module that a file is read for its hash alone.
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - see above
        while count := file.readinto(block):
            hashed.update(block[:count])
    return str(hashed.hexdigest())
