"""A bundle is written from the source of a notebook's functions, as the packer writes it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles import functions, write_bundle
from held import Held
from nbslim.runtime.scoring import EntryPoints
from support import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="entry_points")
def _entry_points() -> Callable[[str], EntryPoints]:
    def make(source: str) -> EntryPoints:
        return EntryPoints(**functions(source))

    return make


@pytest.fixture(name="bundle")
def _bundle(tmp_path: Path) -> Callable[..., Path]:
    def write(source: str | bytes, samples: tuple[dict[str, object], ...] = (), **options: object) -> Path:
        """Bytes stand for the pickle of what the source would make."""
        pickled = source if isinstance(source, bytes) else functions(source)
        return write_bundle(tmp_path / "bundle", pickled, samples, **options)

    return write


@pytest.fixture(name="unchanged_path")
def _unchanged_path() -> Iterator[None]:
    before, writes_none = list(sys.path), sys.dont_write_bytecode
    yield
    sys.path[:] = before
    sys.dont_write_bytecode = writes_none


@pytest.fixture(name="alone", scope="session")
def _alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `sys.path` that holds `nbslim.runtime` and nothing else, as in an image."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "nbslim").mkdir()
    (folder / "nbslim" / "runtime").symlink_to(ROOT / "runtime")
    return folder


@pytest.fixture(name="serving")
def _serving() -> Callable[[Path], object]:
    """Serve a bundle in a process of its own: `with serving(bundle) as server`.

    `prefix` starts its command; without `wait`, it may not listen yet.
    """

    @contextmanager
    def serve(
        folder: Path,
        prefix: Sequence[object] = (),
        *,
        python: Path | str = sys.executable,
        wait: bool = True,
        **environ: str,
    ) -> Iterator[SimpleNamespace]:
        port = free_port()
        command = [*prefix, python, "-m", "nbslim.runtime", folder]
        environment = {**os.environ, "PORT": str(port), **environ}
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
            try:
                said = process.stderr.readline() if wait else ""
                yield SimpleNamespace(process=process, port=port, said=said)
            finally:
                process.kill()

    return serve


@pytest.fixture(name="stop")
def _stop() -> Callable[..., int]:
    """Send a signal to a server, wait for its end, and return its exit code."""

    def stop(process: subprocess.Popen, number: int = signal.SIGTERM) -> int:
        process.send_signal(number)
        return process.wait(60)

    return stop


@pytest.fixture(name="held")
def _held(tmp_path: Path) -> Held:
    return Held(tmp_path / "held")
