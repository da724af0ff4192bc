"""Remembers packs: the receipt and the bundle, while the image is made again from the layers in the cache."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from nbslim.packer import buildah
from nbslim.packer.bundle import leave_bundle
from nbslim.packer.cache import complete, locked, used
from nbslim.packer.distributions import link_file
from nbslim.packer.oci import read_documents, rewrite_archive
from nbslim.packer.options import Options
from nbslim.packer.receipt import Receipt
from nbslim.packer.target import Engine, wanted_archive
from nbslim.packer.workspace import open_workspace

_RECEIPT, _BUNDLE, _DOCUMENTS, _LEFT = "receipt.json", "bundle", "documents.json", "left.json"


def remember_pack(entry: Path, receipt: Receipt, archive: Path, bundle: Path) -> None:
    """Keep the receipt of a pack, what `archive` holds besides its layers, and the files of `bundle`.

    The files are linked: nobody may write to them any more.
    """
    documents = read_documents(archive, [layer["digest"] for layer in receipt.layers])

    def make(aside: Path) -> None:
        shutil.copytree(
            bundle, aside / _BUNDLE, copy_function=lambda source, to: link_file(Path(source), Path(to))
        )
        (aside / _DOCUMENTS).write_text(json.dumps(documents))
        (aside / _RECEIPT).write_text(json.dumps(asdict(receipt)))
        (aside / _LEFT).write_text(json.dumps(_state(archive)))

    complete(entry, make, anew=True)


def recall_pack(entry: Path, options: Options, engine: Engine, *, cache: Path) -> Receipt | None:
    """Leave what the remembered pack left; None where there is none, or a layer is gone.

    Raises BuildError where that cannot be written, or `options.bundle` is not empty.
    """
    if not used(entry):
        return None
    with locked(entry):
        try:
            receipt = Receipt(**json.loads((entry / _RECEIPT).read_text()))
            documents = json.loads((entry / _DOCUMENTS).read_text())
        except (OSError, ValueError, TypeError):
            return None
        archive = wanted_archive(options, engine)
        if archive and not _is_left(entry, archive):
            if not rewrite_archive(documents, receipt.layers, blobs=cache / "layers", output=archive):
                return None
            (entry / _LEFT).write_text(json.dumps(_state(archive)))
        if engine == "buildah" and not _is_loaded(receipt, documents, archive, cache=cache):
            return None
        if options.bundle:
            leave_bundle(entry / _BUNDLE, options.bundle)
    return receipt.again(archive)


def _is_left(entry: Path, archive: Path) -> bool:
    """Whether the archive that this pack left last is there, and nobody wrote to it since."""
    try:
        left: list[object] = json.loads((entry / _LEFT).read_text())
    except (OSError, ValueError):
        return False
    return archive.is_file() and _state(archive) == left


def _state(archive: Path) -> list[object]:
    status = archive.stat()
    return [str(archive), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _is_loaded(receipt: Receipt, documents: Mapping[str, str], archive: Path | None, *, cache: Path) -> bool:
    """Load the image into buildah's storage unless it is there; False where a layer is gone."""
    if buildah.digest_of(receipt.reference) == receipt.digest:
        return True
    with open_workspace(cache) as workspace:
        pulled = archive or workspace.folder / "image.oci.tar"
        if not archive and not rewrite_archive(
            documents, receipt.layers, blobs=cache / "layers", output=pulled
        ):
            return False
        buildah.pull_archive(pulled, receipt.reference)
    return True
