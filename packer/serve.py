"""Serve a bundle or an image archive on this machine, without a container engine."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from nbslim.packer.cache import running
from nbslim.packer.enclosure import enclose
from nbslim.packer.environments import cache_folder, make_environment, make_runtime, runtime_requirements
from nbslim.packer.errors import BuildError
from nbslim.packer.image import ENVIRONMENT
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pythons import find_python
from nbslim.packer.replay import inside
from nbslim.packer.unpack import unpack_archive
from nbslim.packer.workspace import remove_tree
from nbslim.runtime.bundle import FORMAT
from nbslim.runtime.integrity import MANIFEST, IntegrityError, check_files


def serve(source: Path, *, port: int, log: Callable[[str], None]) -> None:
    """Serve `source` on `port` until interrupted.

    An archive is unpacked into a temporary folder and runs in there with its own interpreter; a bundle runs in an
    environment made from the requirements that its manifest names.

    Raises BuildError where it is neither bundle nor archive, or where the port cannot be had.
    """
    _claim(port)
    if (source / MANIFEST).is_file():
        with running(cache_folder()), _temporary() as own:
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
    minor, requirements = _manifest(bundle)
    python, cache = find_python(minor), cache_folder(os.environ)
    environment = make_environment(python, requirements, cache=cache, extra=())
    runtime = make_runtime(python, runtime_requirements(), cache=cache)
    variables = {**os.environ, "PYTHONPATH": f"{environment.site_packages}:{runtime}:{own}"}
    return [str(environment.executable), "-m", "nbslim.runtime", str(bundle)], variables


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


def _claim(port: int) -> None:
    """Raise BuildError where nobody can listen on `port`, before any work is done for it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("", port))
            probe.listen()
        except OSError as error:
            message = f"port {port} cannot be listened on: {error.strerror}"
            raise BuildError(message, hint="choose another one with --port") from error


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
    """Run the server, end it on SIGTERM, SIGINT or when the terminal closes, and return when it has ended."""
    received: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for process in started:
            process.terminate()

    nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    for number in (signal.SIGTERM, signal.SIGINT, *(() if nohup else (signal.SIGHUP,))):
        signal.signal(number, end)
    # A session of its own: the terminal's Ctrl-C reaches it through us alone.
    process = subprocess.Popen(command, env={**variables, "PORT": str(port)}, cwd="/", start_new_session=True)
    started.append(process)
    if received:  # while it was being started
        process.terminate()
    code = process.wait()
    if code and not received:  # until it serves, a signal ends it as it ends any program
        message = f"the server ended with exit code {code}"
        raise BuildError(message)
