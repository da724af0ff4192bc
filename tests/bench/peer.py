"""Another project's service: its handler in an environment of its own, started by its production command."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ask import Ask
from containers import Started
from nbslim.packer.environments import make_environment
from nbslim.packer.own import place_own_runtime
from nbslim.packer.pythons import find_python
from support import CACHE, Packed, free_port

_HANDLERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Peer:
    """How the handler in peers/`name` is served: the command in its documentation's words, with names for numbers."""

    name: str
    command: str
    one: Ask
    many: Ask
    prepare: Sequence[str] = ()
    """What has to be done once before."""
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Installed:
    """A peer that can be started: `folder` holds its handler and the bundle, `programs` its commands."""

    peer: Peer
    folder: Path
    programs: Path

    @property
    def environment(self) -> dict[str, str]:
        """What its processes see: nothing of this project, and that they are to tell nobody of their use."""
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "HOME": str(self.folder),
            "BUNDLE": str(self.folder / "bundle"),
            "DO_NOT_TRACK": "1",
            "BENTOML_DO_NOT_TRACK": "1",
            "MLFLOW_DISABLE_TELEMETRY": "1",
        }


def install(peer: Peer, image: Packed, folder: Path) -> Installed:
    """Return the peer in `folder`, its environment with the versions that the image has, from the tests' own cache."""
    shutil.copytree(_HANDLERS / peer.name, folder)
    shutil.copy(_HANDLERS / "model.py", folder)
    shutil.copytree(image.archive.parent / "bundle", folder / "bundle")
    place_own_runtime(folder)  # the pickle names pieces of it
    pins = [f"{kept['name']}=={kept['version']}" for kept in image.receipt["distributions"]]
    wanted = [*(folder / "requirements.txt").read_text().split(), *pins]
    python = find_python(image.receipt["python"].rpartition(".")[0])
    programs = make_environment(python, wanted, cache=CACHE, extra=()).executable.parent
    installed = Installed(peer, folder, programs)
    if peer.prepare:
        subprocess.run(peer.prepare, check=True, capture_output=True, cwd=folder, env=installed.environment)
    return installed


@contextlib.contextmanager
def running(installed: Installed, workers: int) -> Iterator[Started]:
    """Start the peer with `workers`; it is gone in the end. What it said is told where it does not answer."""
    port, log = free_port(), installed.folder / "log.txt"
    numbers = {
        "workers": workers,
        "pool": workers if workers > 1 else 0,
        "port": port,
        "second_port": free_port(),
        "third_port": free_port(),
    }
    variables = {name: text.format(**numbers) for name, text in installed.peer.variables.items()}
    with log.open("wb") as output:
        started = time.monotonic()
        process = subprocess.Popen(
            installed.peer.command.format(**numbers).split(),
            env={**installed.environment, **variables},
            cwd=installed.folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Started(f"http://127.0.0.1:{port}", started, lambda: process.pid)
    except AssertionError as error:
        raise AssertionError(f"{installed.peer.name}: {error}\n{log.read_text()[-2000:]}") from None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """End the process and all of its group: politely first, whatever is left after `seconds` by force."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
