"""Serve a bundle or an image archive without a container engine."""

from __future__ import annotations

import contextlib
import json
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from nbslim.packer.cache import running
from nbslim.packer.enclosure import enclose
from nbslim.packer.environments import cache_folder, make_environment, make_runtime, runtime_requirements
from nbslim.packer.errors import BuildError
from nbslim.packer.image import ENVIRONMENT
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pythons import find_python
from nbslim.packer.replay import inside
from nbslim.packer.serving import Command
from nbslim.packer.unpack import unpack_archive
from nbslim.packer.workspace import remove_tree
from nbslim.runtime.bundle import FORMAT
from nbslim.runtime.integrity import MANIFEST, IntegrityError, check_files
from nbslim.runtime.pools import VARIABLES
from nbslim.runtime.settings import misspelt, variables


@contextlib.contextmanager
def server(source: Path, *, log: Callable[[str], None]) -> Iterator[Command]:
    """Make what serves `source` ready; nothing is left of it behind the block.

    An archive is unpacked into a temporary folder and runs in there with its own interpreter; a bundle runs in an
    environment made from the requirements that its manifest names.

    Raises BuildError where it is neither bundle nor archive.
    """
    if (source / MANIFEST).is_file():
        with running(cache_folder()), _temporary() as own:
            place_own_runtime(own)
            yield _bundle_command(source.absolute(), own)
    elif source.is_file() and tarfile.is_tarfile(source):
        with _temporary() as tree:
            log(f"unpacking {source}")
            unpack_archive(source, tree)
            yield _tree_command(tree)
    elif not source.exists():
        raise BuildError(
            f"{source} does not exist", hint="a notebook, a bundle or an OCI archive can be served"
        )
    else:
        message = (
            f"{source} is neither a notebook, nor a bundle (a folder with manifest.json), nor an OCI archive"
        )
        raise BuildError(message, hint="nbslim pack --bundle FOLDER or --output FILE makes one")


def _bundle_command(bundle: Path, own: Path) -> Command:
    minor, requirements = _manifest(bundle)
    python, cache = find_python(minor), cache_folder(os.environ)
    environment = make_environment(python, requirements, cache=cache, extra=())
    runtime = make_runtime(python, runtime_requirements(), cache=cache)
    return server_command(bundle, environment.executable, [environment.site_packages, runtime, own])


def server_command(bundle: Path, python: Path, paths: list[Path]) -> Command:
    """Return what serves `bundle` on this machine with what lies in `paths`."""
    variables = {**os.environ, "PYTHONPATH": ":".join(map(str, paths))}
    return [str(python), "-m", "nbslim.runtime", str(bundle)], variables


def _manifest(bundle: Path) -> tuple[str, list[str]]:
    """Return the Python and the requirements that the bundle's manifest names; its files are as that lists them."""
    path = bundle / MANIFEST
    try:
        manifest = json.loads(path.read_text())
        number = manifest["format"]
        if number != FORMAT:
            message = f"{path}: format {number} is not {FORMAT}, the one that this nbslim serves"
            raise BuildError(message, hint="pack the notebook again")
        requirements = [f"{name}=={version}" for name, version in manifest["distributions"].items()]
        python, files = manifest["python"], manifest["files"]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        message = f"{path} is not the manifest of a bundle: {error!r}"
        raise BuildError(message, hint="nbslim pack --bundle FOLDER makes one") from error
    try:
        check_files(bundle, files)  # the runtime does so, too, but only after an environment was made for it
    except (IntegrityError, OSError) as error:
        raise BuildError(str(error)) from error
    return python, requirements


def _tree_command(tree: Path) -> Command:
    enclosure = enclose(tree)
    told = {name: os.environ[name] for name in _told() if name in os.environ}
    return enclosure.command(
        ["-m", "nbslim.runtime", enclosure.path("/app/model")],
        environment={**inside(enclosure, ENVIRONMENT), **told},
    )


def _told() -> list[str]:
    """Return the variables that a container would be given with `--env`."""
    return [*(variable.name for variable in variables()), *misspelt(os.environ), *VARIABLES]


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nbslim-serve-"))
    try:
        yield folder
    finally:
        remove_tree(folder)
