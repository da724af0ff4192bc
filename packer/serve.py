"""Serve a bundle or an image archive on this machine, without a container engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from nbslim.packer.enclosure import enclose
from nbslim.packer.environments import cache_folder, make_environment, make_runtime, runtime_requirements
from nbslim.packer.errors import BuildError
from nbslim.packer.image import ENVIRONMENT
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pythons import find_python
from nbslim.packer.replay import inside
from nbslim.packer.unpack import unpack_archive
from nbslim.packer.workspace import remove_tree


def serve(source: Path, *, port: int, log: Callable[[str], None]) -> None:
    """Serve `source` on `port` until interrupted. Raises BuildError where it is neither bundle nor archive.

    An archive is unpacked into a temporary folder and runs in there with its own interpreter; a bundle runs in an
    environment made from the requirements that its manifest names.
    """
    if (source / "manifest.json").is_file():
        with _temporary() as own:
            place_own_runtime(own)
            _run(*_bundle_command(source.absolute(), own), port=port)
    elif source.is_file() and tarfile.is_tarfile(source):
        with _temporary() as tree:
            log(f"unpacking {source}")
            unpack_archive(source, tree)
            _run(*_tree_command(tree), port=port)
    else:
        message = f"{source} is neither a bundle (a folder with manifest.json) nor an OCI archive"
        raise BuildError(message, hint="nbslim pack --bundle FOLDER or --output FILE makes one")


def _bundle_command(bundle: Path, own: Path) -> tuple[list[str], dict[str, str]]:
    manifest = json.loads((bundle / "manifest.json").read_text())
    python, cache = find_python(manifest["python"]), cache_folder(os.environ)
    environment = make_environment(python, manifest["requirements"], cache=cache, extra=())
    runtime = make_runtime(python, runtime_requirements(), cache=cache)
    variables = {**os.environ, "PYTHONPATH": f"{environment.site_packages}:{runtime}:{own}"}
    return [str(environment.executable), "-m", "nbslim.runtime", str(bundle)], variables


def _tree_command(tree: Path) -> tuple[list[str], dict[str, str]]:
    enclosure = enclose(tree)
    return enclosure.command(
        ["-m", "nbslim.runtime", enclosure.path("/app/model")], environment=inside(enclosure, ENVIRONMENT)
    )


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="nbslim-serve-"))
    try:
        yield folder
    finally:
        remove_tree(folder)


def _run(command: Sequence[str], variables: Mapping[str, str], *, port: int) -> None:
    """Run the server, hand SIGTERM and SIGINT on to it, and return when it has ended."""
    process = subprocess.Popen(command, env={**variables, "PORT": str(port)}, cwd="/")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: process.send_signal(received))
    code = process.wait()
    if code:
        message = f"the server ended with exit code {code}"
        raise BuildError(message)
