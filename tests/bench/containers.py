"""A service in a container of its own, from a root file system in a folder, as users run the image."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.image import ENVIRONMENT
from support import HARDENED, PODMAN, free_port


@dataclass(frozen=True)
class Started:
    """A service that was started: its address, when that was, and how to find its process."""

    address: str
    at: float
    process: Callable[[], int]


@contextlib.contextmanager
def container(tree: Path, variables: Mapping[str, str]) -> Iterator[Started]:
    """Start `tree`'s service with `variables` besides the image's; it is gone in the end."""
    port, name = free_port(), f"nbslim-bench-{os.getpid()}-{time.monotonic_ns()}"
    options = [
        f"--env={key}={value}" for key, value in {**ENVIRONMENT, **variables, "PORT": str(port)}.items()
    ]
    service = ["--rootfs", tree, "/usr/bin/python3", "-m", "nbslim.runtime"]
    create = [*PODMAN, "create", "--name", name, "--network", "host", *HARDENED, *options, *service]
    try:
        subprocess.run(create, check=True, capture_output=True)
        started = time.monotonic()
        subprocess.run([*PODMAN, "start", name], check=True, capture_output=True)
        yield Started(f"http://127.0.0.1:{port}", started, lambda: _process(name))
    finally:
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)


def wait_for(right: Callable[[], bool], seconds: float = 60) -> None:
    """Ask until `right` is true: a service that cannot be reached yet is asked again."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if right():
                return
        time.sleep(0.005)
    raise AssertionError(f"no right answer after {seconds} s")


def _process(name: str) -> int:
    inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", name]
    return int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)
