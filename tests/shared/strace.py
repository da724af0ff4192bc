"""Which files of an image serving its samples touches, counted by strace from the start of the process."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.enclosure import enclose
from nbslim.packer.image import ENVIRONMENT
from nbslim.packer.libraries import inside as resolved_in
from nbslim.packer.replay import inside
from nbslim.packer.unpack import unpack_archive
from support import free_port, post, wait_until_ready

# With -y strace names what a descriptor is open on: its path on this machine, links resolved, roots undone.
STRACE = ["strace", "-f", "-y", "-e", "trace=open,openat,openat2,execve,execveat", "-s", "4096"]
_OPENED = re.compile(rb"\) += \d+<(/[^>]*)>$", re.MULTILINE)
_EXECUTED = re.compile(rb'execve\("([^"]*)".*\) += 0$', re.MULTILINE)
_MAPPED = re.compile(rb"^(?:\S+ +){5}(/.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Touched:
    """The regular files of an image with their bytes, by their paths in it, and which of them were touched."""

    files: dict[str, int]
    touched: frozenset[str]

    @property
    def image_bytes(self) -> int:
        return sum(self.files.values())

    @property
    def touched_bytes(self) -> int:
        return sum(self.files[path] for path in self.touched)

    @property
    def ratio(self) -> float:
        return self.image_bytes / self.touched_bytes

    def largest_untouched(self, count: int) -> list[tuple[str, int]]:
        rest = [(path, size) for path, size in self.files.items() if path not in self.touched]
        return sorted(rest, key=lambda file: -file[1])[:count]


def can_trace() -> bool:
    """Whether strace is installed, and this machine lets it trace."""
    probe = ["strace", "-o", os.devnull, "true"]
    return (
        bool(shutil.which("strace"))
        and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


def touched_files(archive: Path, samples: Iterable[object], folder: Path) -> Touched:
    """Serve the image from an unpacked tree in `folder`, ask for its health and each sample, and see what it opened.

    A file counts as touched when it was opened, executed or mapped, whoever of the service's processes did so.
    """
    tree, log = folder.resolve() / "tree", folder.resolve() / "strace.log"
    tree.mkdir()
    unpack_archive(archive, tree)
    with _traced(tree, log) as (address, process):
        for path in ("/healthz", "/readyz"):
            urllib.request.urlopen(f"{address}{path}", timeout=60).close()
        for sample in samples:
            post(address, sample)
        mapped = _MAPPED.findall(Path(f"/proc/{process}/maps").read_bytes())
    lines = log.read_bytes()
    executed = [resolved_in(tree, os.fsdecode(path)) for path in _EXECUTED.findall(lines)]
    opened = [Path(os.fsdecode(_unescaped(path))) for path in (*_OPENED.findall(lines), *mapped)]
    files = {
        path: path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink()
    }
    return Touched(
        {f"/{path.relative_to(tree)}": size for path, size in files.items()},
        frozenset(f"/{path.relative_to(tree)}" for path in {*executed, *opened} & files.keys()),
    )


@contextlib.contextmanager
def _traced(tree: Path, log: Path) -> Iterator[tuple[str, int]]:
    """Run the tree's service under strace; yields its address and the number of its process."""
    enclosure, port = enclose(tree), free_port()
    command, variables = enclosure.command(
        ["-m", "nbslim.runtime", enclosure.path("/app/model")],
        environment={**inside(enclosure, ENVIRONMENT), "PORT": str(port)},
    )
    strace = subprocess.Popen(
        [*STRACE, "-o", log, "--", *command],
        env=variables,
        cwd="/",
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        process = int(Path(f"/proc/{strace.pid}/task/{strace.pid}/children").read_text())
        yield f"http://127.0.0.1:{port}", process
        os.kill(process, signal.SIGTERM)  # strace ends with it, its log complete
        strace.wait(60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(strace.pid, signal.SIGKILL)  # a process goes on when it loses its tracer
        strace.wait()


def _unescaped(path: bytes) -> bytes:
    """Return what strace wrote with octal numbers, as it does with all that is not ASCII."""
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match[1], 8)]), path)
