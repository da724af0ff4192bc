"""Unpack an OCI archive into a root file system folder, as a container engine would."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

from nbslim.packer.errors import BuildError


def unpack_archive(archive: Path, tree: Path) -> None:
    """Lay the layers of the archive's image into `tree`. Raises BuildError where it is not an OCI archive."""
    try:
        with tarfile.open(archive) as outer:
            index = _document(outer, "index.json")
            manifest = _document(outer, _blob(index["manifests"][0]["digest"]))
            for layer in manifest["layers"]:
                with tarfile.open(fileobj=outer.extractfile(_blob(layer["digest"])), mode="r:*") as inner:
                    inner.extractall(tree, filter="tar")
    except (KeyError, ValueError, tarfile.TarError) as error:
        message = f"{archive} is not an OCI archive: {error}"
        raise BuildError(message) from error


def _document(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    if file is None:
        message = f"{name} is not a file"
        raise ValueError(message)
    return json.load(file)


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"
