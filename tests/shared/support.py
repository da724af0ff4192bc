"""The command as its users run it, and the examples that all tests share."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build/cache"
NBSLIM = Path(sysconfig.get_path("scripts")) / "nbslim"
CASES = sorted(
    (path.parent for path in ROOT.glob("fixtures/*/expect.toml")), reverse=True
)  # the largest is last
ENGINES = ("buildah", "oci")  # in this order podman finds most layers of the archive in its storage already

needs_buildah = pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")
needs_podman = pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")


@dataclass(frozen=True)
class Packed:
    """A notebook that was packed, and where its archive lies."""

    case: Path
    engine: str
    receipt: dict
    archive: Path

    @property
    def expect(self) -> dict:
        return expectation(self.case)

    @property
    def samples(self) -> list[dict]:
        """Inputs with the notebook's own answers, as the bundle records them."""
        lines = (self.archive.parent / "bundle/samples.jsonl").read_text().split("\n")
        return [json.loads(line) for line in lines if line]


def expectation(case: Path) -> dict:
    return tomllib.loads((case / "expect.toml").read_text())


def run_nbslim(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a user does; the tests' own cache keeps environments between runs."""
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE), **options.pop("variables", {})}
    command = [str(NBSLIM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


def pack_case(case: Path, engine: str, folder: Path) -> Packed:
    archive = folder / "image.oci.tar"
    result = run_nbslim(
        "pack", case / "notebook.ipynb", "--tag", f"nbslim-test/{case.name}-{engine}:1", "--engine", engine,
        "--output", archive, "--bundle", folder / "bundle", "--json", "--no-cache",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Packed(case, engine, json.loads(result.stdout), archive)


PODMAN = ["podman", "--runtime", "runc"]
HARDENED = [
    "--read-only", "--cap-drop", "all", "--user", "1000670000:0",
    "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
]  # fmt: skip
"""An arbitrary user on a read-only root without capabilities; the limits are what a restricted machine allows."""


@contextlib.contextmanager
def container(image: Packed) -> Iterator[str]:
    """Run the image with podman; yields the service's address once it is ready."""
    name, port = f"nbslim-test-{os.getpid()}-{time.monotonic_ns()}", free_port()
    reference = image.receipt["reference"]
    if image.engine == "oci":  # buildah and podman share their storage
        subprocess.run(
            ["podman", "load", "--quiet", "--input", image.archive], check=True, capture_output=True
        )
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--env", f"PORT={port}"]
    try:
        subprocess.run([*PODMAN, "run", *options, *HARDENED, reference], check=True, capture_output=True)
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)
        if image.engine == "oci":
            subprocess.run(["podman", "rmi", "--force", reference], capture_output=True, check=False)


@contextlib.contextmanager
def serving(
    source: Path, temporary: Path, *arguments: object, **variables: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve a notebook, a bundle or an archive with `nbslim serve`; yields the service's address and the process."""
    port = free_port()
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE), "TMPDIR": str(temporary), **variables}
    process = subprocess.Popen(
        [str(NBSLIM), "serve", str(source), "--port", str(port), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.communicate(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(condition: Callable[[], object]) -> None:
    """Wait until something is true that will be soon; only what hangs takes as long as this waits."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def wait_until_ready(address: str, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/readyz", timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"{address} is not ready after {seconds} s")


def post(address: str, sample: object, path: str = "/predict") -> tuple[int, object]:
    """Post as `curl -d` does, with a form's content type."""
    request = urllib.request.Request(f"{address}{path}", data=json.dumps(sample).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
