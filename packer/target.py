"""Where the image of a pack goes: with which engine, under which name, into which file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from nbslim.analyzer import NotebookError
from nbslim.packer import buildah
from nbslim.packer.errors import BuildError
from nbslim.packer.options import Options

Engine = Literal["oci", "buildah"]


def choose_engine(options: Options) -> Engine:
    """Return the engine that is asked for, or else the best that is here; raises BuildError where it is not."""
    if options.engine == "oci" or (options.engine == "auto" and not buildah.found()):
        if options.base or options.isolation:
            message = "--base and --isolation are for the buildah engine"
            raise BuildError(message)
        return "oci"
    if not buildah.found():
        message = "--engine buildah: buildah is not on PATH"
        raise BuildError(message, hint="install it, or use --engine oci, which needs nothing")
    return "buildah"


def describe_engine(engine: Engine) -> str:
    """Return the line that tells which engine is used."""
    return "engine: buildah" if engine == "buildah" else "engine: oci (embedded: no container engine is used)"


def image_name(notebook: Path) -> str:
    """Return the image's name as the notebook's file or folder gives it. Raises NotebookError where none is fit."""
    plain = _plain(notebook)
    if not plain:
        message = f"{notebook.name}: no image name can be made of this"
        raise NotebookError(message, hint="rename it, or pack it with --tag NAME")
    return plain


def title(notebook: Path) -> str:
    """Return what a service is called, for people; where no image can have the name, that is the file's."""
    return _plain(notebook) or notebook.stem


def _plain(notebook: Path) -> str:
    stem = notebook.stem
    name = notebook.absolute().parent.name if stem == "notebook" else stem
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def full_reference(tag: str) -> str:
    """Return `tag` as container engines store it: with a host (`localhost`) and a tag (`latest`)."""
    host, slash, _ = tag.partition("/")
    named = bool(slash) and ("." in host or ":" in host or host == "localhost")
    full = tag if named else f"localhost/{tag}"
    return full if ":" in full.rpartition("/")[2] else f"{full}:latest"


def reference_of(options: Options) -> str:
    """Return the image's full name."""
    return full_reference(options.tag or image_name(options.notebook))


def wanted_archive(options: Options, engine: Engine) -> Path | None:
    """Return the file that the user wants; None where only buildah is to have the image."""
    if options.output:
        return options.output.absolute()
    return None if engine == "buildah" else Path.cwd() / archive_name(reference_of(options))


def archive_name(reference: str) -> str:
    """Return the file name of an image's archive."""
    return f"{reference.rpartition('/')[2].partition(':')[0]}.oci.tar"


def outputs(options: Options, engine: Engine) -> frozenset[Path]:
    """Return all that the pack writes, which may lie in the notebook's folder: also where its output is sent to."""
    written = (wanted_archive(options, engine), options.bundle, *_streams())
    return frozenset(path.resolve() for path in written if path)


def _streams() -> Iterator[Path]:
    """Yield the files to which the shell has sent stdout and stderr."""
    for descriptor in (1, 2):
        with suppress(OSError):
            yield Path(f"/proc/self/fd/{descriptor}").readlink()
