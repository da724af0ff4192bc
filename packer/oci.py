"""Writes a folder as an OCI image archive that every engine reads, with the same bytes each time."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nbslim.packer.cache import used
from nbslim.packer.disk import writing
from nbslim.packer.errors import BuildError
from nbslim.packer.facts import known, sha256_of
from nbslim.packer.gzipped import LEVEL, GzipWriter

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# 2000-01-01: a time that zip files can hold too, unlike 0.
_MODIFIED = 946684800
_LAST = 253402300799  # the end of the year 9999

_BUFFER = 1 << 20
_LAYER = "layer 1"  # another number whenever the tar of the same files becomes another one
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_MEDIA = "application/vnd.oci.image."


@dataclass(frozen=True)
class Layer:
    """Holds what lies below its `paths`, relative to the tree; the longest path decides, `""` takes the rest."""

    name: str
    paths: tuple[str, ...]


def source_date() -> int:
    """Seconds since 1970 that stand for "now" in an image: `SOURCE_DATE_EPOCH`, or else 0.

    Raise BuildError for what is no such number.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH") or "0"
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_LAST)) and int(text) <= _LAST):
        message = f"SOURCE_DATE_EPOCH: {text!r} is not a number of seconds since 1970"
        raise BuildError(
            message, hint=f"give a whole number from 0 to {_LAST}, such as $(date +%s), or unset it"
        )
    return int(text)


@dataclass(frozen=True)
class ImageConfig:
    """How a container of the image starts; `created` is in seconds since 1970."""

    entrypoint: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str = "1000:0"
    working_dir: str = "/"
    ports: tuple[int, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    created: int = 0


@dataclass(frozen=True)
class WrittenLayer:
    """A layer in an archive. `bytes` is the sum of its files' sizes, `compressed` the size of its blob."""

    name: str
    diff_id: str
    digest: str
    bytes: int
    compressed: int


@dataclass(frozen=True)
class WrittenImage:
    """An image in an archive; `digest` is its manifest's and `config` its configuration's, both `sha256:...`."""

    reference: str
    digest: str
    config: str
    layers: tuple[WrittenLayer, ...]

    @property
    def bytes(self) -> int:
        """The sum of all file sizes, as `du --apparent-size` counts them without folders."""
        return sum(layer.bytes for layer in self.layers)

    @property
    def compressed(self) -> int:
        """The bytes of all layers as they are stored and sent."""
        return sum(layer.compressed for layer in self.layers)


def write_archive(
    tree: Path,
    layers: Sequence[Layer],
    config: ImageConfig,
    *,
    reference: str,
    output: Path,
    blobs: Path | None = None,
) -> WrittenImage:
    """Write `tree` as the image `reference` (`localhost/name:tag`) into the archive `output`, all of it or nothing.

    Times, owners and permissions are the same for everyone; a layer without files is left out. `blobs` is a folder
    that keeps compressed layers for the next time; whoever owns it may delete it.

    Raise BuildError if `output` cannot be written, or `tree` holds what an image cannot.
    """
    contents = _distribute(tree, layers)
    with (
        writing("the image", output.parent),
        TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
    ):
        store = blobs or Path(aside)
        written, files = [], {}
        for layer in layers:
            if contents[layer.name]:
                with writing(f"the layer {layer.name}", blobs or output.parent):
                    blob, described = _write_layer(tree, layer.name, contents[layer.name], store)
                written.append(described)
                files[_blob_name(described.digest)] = blob
        image, documents = _describe(tuple(written), config, reference)
        part = Path(aside, "archive")
        _write_members(part, documents, files)
        part.replace(output)
    return image


def read_documents(archive: Path, layers: Collection[str]) -> dict[str, str]:
    """Return by name what `archive` holds besides its `layers`, given by their digests: all of it is JSON."""
    blobs = {_blob_name(digest) for digest in layers}
    with tarfile.open(archive) as tar:
        return {m.name: _text(tar, m) for m in tar if m.isfile() and m.name not in blobs}


def _text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = tar.extractfile(member)
    return file.read().decode() if file else ""


def rewrite_archive(
    documents: Mapping[str, str], layers: Sequence[Mapping[str, Any]], *, blobs: Path, output: Path
) -> bool:
    """Write an archive again from its documents and the `layers` (as in WrittenLayer) that `blobs` keeps.

    Returns False, and writes nothing, where one of them is gone. Raise BuildError if `output` cannot be written.
    """
    kept = {layer["digest"]: _kept_blob(blobs, layer["diff_id"].partition(":")[2]) for layer in layers}
    sizes = {layer["digest"]: layer["compressed"] for layer in layers}
    if not all(used(blob) and blob.stat().st_size == sizes[digest] for digest, blob in kept.items()):
        return False
    with (
        writing("the image", output.parent),
        TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as aside,
    ):
        part = Path(aside, "archive")
        files = {_blob_name(digest): blob for digest, blob in kept.items()}
        _write_members(part, {name: text.encode() for name, text in documents.items()}, files)
        part.replace(output)
    return True


def _distribute(tree: Path, layers: Sequence[Layer]) -> dict[str, list[str]]:
    """Say for each layer which paths of `tree` it holds, folders before what is in them."""
    owners = {path.strip("/"): layer.name for layer in layers for path in layer.paths}
    contents: dict[str, list[str]] = {layer.name: [] for layer in layers}
    for path in _walk(tree):
        ancestor = path
        while ancestor not in owners:
            if not ancestor:
                raise BuildError(f"{tree / path} belongs to no layer")
            ancestor = ancestor.rpartition("/")[0]
        contents[owners[ancestor]].append(path)
    return contents


def _walk(tree: Path, folder: str = "") -> Iterator[str]:
    with os.scandir(tree / folder) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.name.startswith(".wh."):
            raise BuildError(f"{entry.path}: an image would take this name for the mark of a deleted file")
        yield path
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(tree, path)


def _write_layer(tree: Path, name: str, paths: Sequence[str], store: Path) -> tuple[Path, WrittenLayer]:
    """Put the compressed layer into `store`, unless it is there; nothing is compressed just to find that out."""
    uncompressed, size = known(_LAYER, _content_key(tree, paths), lambda: _tar_digest(tree, paths))
    blob = _kept_blob(store, uncompressed)
    if not used(blob):
        store.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=store, prefix=".") as aside:
            part = Path(aside, "layer")
            with part.open("wb") as file, GzipWriter(file.write) as stream:
                _write_tar(tree, paths, stream.write)
            part.replace(blob)
    return blob, WrittenLayer(
        name=name,
        diff_id=f"sha256:{uncompressed}",
        digest=f"sha256:{sha256_of(blob)}",
        bytes=size,
        compressed=blob.stat().st_size,
    )


def _content_key(tree: Path, paths: Iterable[str]) -> str:
    """Return what decides the bytes of a layer's tar: names, kinds and contents."""
    hashed = hashlib.sha256()
    for path in paths:
        entry = _entry(tree, path)
        content = sha256_of(tree / path) if entry.isreg() else entry.linkname
        hashed.update(json.dumps([path, entry.type.decode(), entry.mode, content]).encode() + b"\n")
    return hashed.hexdigest()


def _tar_digest(tree: Path, paths: Iterable[str]) -> tuple[str, int]:
    hashed = hashlib.sha256()
    size = _write_tar(tree, paths, hashed.update)
    return hashed.hexdigest(), size


def _kept_blob(store: Path, uncompressed: str) -> Path:
    # Another zlib, or another level, compresses to other bytes.
    return store / f"{uncompressed}-{LEVEL}-{zlib.ZLIB_RUNTIME_VERSION}.tar.gz"


def _write_tar(tree: Path, paths: Iterable[str], write: Callable[[memoryview], object]) -> int:
    """Write the tar of `paths`; return the bytes of the files in it."""
    total = 0
    with (
        io.BufferedWriter(_Sink(write), _BUFFER) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in paths:
            entry = _entry(tree, path)
            total += entry.size
            if entry.isreg():
                with (tree / path).open("rb") as file:
                    tar.addfile(entry, file)
            else:
                tar.addfile(entry)
    return total


def _entry(tree: Path, path: str) -> tarfile.TarInfo:
    """Describe a path with nothing of the machine: every hard link is a file of its own, all belongs to 0:0.

    Whoever runs it in group 0 may read what its owner may, and nobody needs to write.
    """
    status = (tree / path).lstat()
    entry = tarfile.TarInfo(path)
    entry.mtime = _MODIFIED
    if stat.S_ISDIR(status.st_mode):
        entry.type = tarfile.DIRTYPE
        entry.mode = 0o1777 if status.st_mode & stat.S_ISVTX else 0o755
    elif stat.S_ISLNK(status.st_mode):
        entry.type = tarfile.SYMTYPE
        entry.linkname = str((tree / path).readlink())
        entry.mode = 0o777
    elif stat.S_ISREG(status.st_mode):
        entry.size = status.st_size
        entry.mode = 0o755 if status.st_mode & 0o111 else 0o644
    else:
        raise BuildError(f"{tree / path} is neither a file nor a folder nor a link")
    return entry


class _Sink(io.RawIOBase):
    """A file that passes on what is written to it, and knows how much that was, as tarfile wants."""

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._length = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._length

    def write(self, data: ReadableBuffer, /) -> int:
        block = memoryview(data)
        self._write(block)
        self._length += block.nbytes
        return block.nbytes


def _describe(
    layers: tuple[WrittenLayer, ...], config: ImageConfig, reference: str
) -> tuple[WrittenImage, dict[str, bytes]]:
    """Make the archive's small files: by `index.json` newer tools read it, by `manifest.json` older Docker does."""
    settings = _json(_settings(layers, config))
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_MEDIA}manifest.v1+json",
            "config": _descriptor("config.v1+json", _digest(settings), len(settings)),
            "layers": [_descriptor("layer.v1.tar+gzip", layer.digest, layer.compressed) for layer in layers],
        }
    )
    image = WrittenImage(reference, _digest(manifest), _digest(settings), layers)
    # The engines of podman and skopeo want the whole reference here, and so does containerd, under its own name.
    names = {"org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference}
    entry = _descriptor("manifest.v1+json", image.digest, len(manifest)) | {"annotations": names}
    index = {"schemaVersion": 2, "mediaType": f"{_MEDIA}index.v1+json", "manifests": [entry]}
    docker = {
        "Config": _blob_name(image.config),
        "RepoTags": [reference],
        "Layers": [_blob_name(layer.digest) for layer in layers],
    }
    return image, {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        "manifest.json": _json([docker]),
        _blob_name(image.config): settings,
        _blob_name(image.digest): manifest,
    }


def _settings(layers: Sequence[WrittenLayer], config: ImageConfig) -> dict[str, object]:
    created = datetime.fromtimestamp(config.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    machine = platform.machine()
    return {
        "created": created,
        "architecture": _ARCHITECTURES.get(machine, machine),
        "os": "linux",
        "config": {
            "Entrypoint": config.entrypoint,
            "Env": [f"{name}={value}" for name, value in sorted(config.env.items())],
            "User": config.user,
            "WorkingDir": config.working_dir,
            "ExposedPorts": {f"{port}/tcp": {} for port in config.ports},
            "Labels": dict(config.labels),
        },
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": f"nbslim: {layer.name}"} for layer in layers],
    }


def _write_members(archive: Path, documents: Mapping[str, bytes], files: Mapping[str, Path]) -> None:
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in documents.items():
            tar.addfile(_member(name, len(data)), io.BytesIO(data))
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                tar.addfile(_member(name, path.stat().st_size), file)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mtime = size, _MODIFIED
    return member


def _descriptor(kind: str, digest: str, size: int) -> dict[str, object]:
    return {"mediaType": f"{_MEDIA}{kind}", "digest": digest, "size": size}


def _blob_name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
