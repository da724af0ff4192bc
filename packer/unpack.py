"""Unpack an OCI archive into a root file system folder, as a container engine would."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from nbslim.packer.errors import BuildError

_CHUNK = 1 << 20


def unpack_archive(archive: Path, tree: Path) -> None:
    """Lay the layers of the archive's image into `tree`.

    Raises BuildError where it is not an OCI archive, or not whole: every blob is checked by its digest.
    """
    try:
        with tarfile.open(archive) as outer:
            index = json.load(_file(outer, "index.json"))
            manifest = json.load(_blob(outer, index["manifests"][0]["digest"]))
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=_blob(outer, layer["digest"]), mode="r:*") as inner:
                    _lay(inner, tree)
    except (KeyError, IndexError, TypeError, ValueError, EOFError, tarfile.TarError, zlib.error) as error:
        message = f"{archive} is not a whole OCI archive: {error}"
        raise BuildError(message) from error


def _lay(layer: tarfile.TarFile, tree: Path) -> None:
    # Pythons before 3.10.12 and 3.11.4 know no filters (and ignore this): they get the part of it that matters.
    layer.extraction_filter = getattr(tarfile, "tar_filter", None)
    layer.extractall(tree, members=_below(layer, tree.resolve()))


def _below(layer: tarfile.TarFile, tree: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the layer's members, each once those before it are laid; ValueError for one that leaves `tree`."""
    for member in layer:
        if not (tree / member.name).resolve().is_relative_to(tree):
            message = f"{member.name} lies outside of the image"
            raise ValueError(message)
        yield member


def _blob(archive: tarfile.TarFile, digest: str) -> IO[bytes]:
    """Return the blob, opened; ValueError where its bytes are not those that `digest` is of."""
    algorithm, _, wanted = digest.partition(":")
    file = _file(archive, f"blobs/{algorithm}/{wanted}")
    found = hashlib.new(algorithm)
    for chunk in iter(lambda: file.read(_CHUNK), b""):
        found.update(chunk)
    if found.hexdigest() != wanted:
        message = f"{digest} is damaged"
        raise ValueError(message)
    file.seek(0)
    return file


def _file(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        message = f"{name} is not a file"
        raise ValueError(message)
    return file
