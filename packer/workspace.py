"""The folders and processes of one pack, all gone when it ends; what a killed pack left is reaped by the next."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer import buildah

MARKER = "NBSLIM_WORKSPACE"
"""Environment variable that every process of a pack's stage carries, with the workspace's folder as its value."""

MAKING_SECONDS = 60
"""A workspace that names no owner after this time was never finished."""


@dataclass(frozen=True)
class Workspace:
    """Where one pack works: the copy of the notebook's folder, the bundle, the assembled tree, the sockets."""

    folder: Path
    sockets: Path
    """In the temporary folder: a socket's path may have 107 bytes at most, and the cache's may be long."""

    @property
    def work(self) -> Path:
        """The copy of the notebook's folder, in which its cells run."""
        return self.folder / "work"

    @property
    def home(self) -> Path:
        """HOME of the cells."""
        return self.folder / "home"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the cells."""
        return self.folder / "tmp"

    @property
    def bundle(self) -> Path:
        """What the executed notebook leaves for the runtime."""
        return self.folder / "bundle"

    @property
    def left(self) -> Path:
        """What is remembered of the run once it is known to be of use."""
        return self.folder / "left"

    @property
    def own(self) -> Path:
        """Where the kernel finds `nbslim.runtime`."""
        return self.folder / "own"

    @property
    def tree(self) -> Path:
        """Where the image's root file system is assembled."""
        return self.folder / "tree"

    @property
    def container(self) -> str:
        """Name of the buildah working container, where there is one."""
        return f"nbslim-{self.folder.name}"


@contextlib.contextmanager
def open_workspace(cache: Path) -> Iterator[Workspace]:
    """Make the folders of a pack below `cache`, reap what killed packs left there, and remove all at the end."""
    packs = cache / "packs"
    packs.mkdir(parents=True, exist_ok=True)
    reap(packs)
    workspace = Workspace(
        folder=Path(tempfile.mkdtemp(prefix="", dir=packs)), sockets=Path(tempfile.mkdtemp(prefix="nbslim-"))
    )
    try:
        _write_owner(workspace)
        for folder in (workspace.home, workspace.temporary, workspace.bundle):
            folder.mkdir()
        yield workspace
    finally:
        remove(workspace)


def remove(workspace: Workspace) -> None:
    """End the workspace's processes and delete its container and folders."""
    with _uninterrupted():
        stop_processes(workspace)
        buildah.remove_container(workspace.container)
        shutil.rmtree(workspace.sockets, ignore_errors=True)
        remove_tree(workspace.folder)


def reap(packs: Path) -> None:
    """Remove the workspaces whose owner is no longer alive."""
    for folder in sorted(packs.iterdir()):
        try:
            owner = json.loads((folder / "owner.json").read_text())
        except (OSError, ValueError):
            # Another pack is just making it, or just removing it; or one was killed at that very moment.
            if _age(folder) > MAKING_SECONDS:
                remove_tree(folder)
            continue
        if _started_at(owner["pid"]) != owner["started"]:
            remove(Workspace(folder=folder, sockets=Path(owner["sockets"])))


def stop_processes(workspace: Workspace, *, patience: float = 5.0) -> None:
    """Kill every process that carries the workspace's marker, children of the kernel included.

    A container's own runner (`buildah run`) carries none: it sees its process end, and cleans up after it.
    """
    deadline = time.monotonic() + patience
    while (pids := list(_marked(workspace.folder))) and time.monotonic() < deadline:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def wait_for(processes: Iterable[subprocess.Popen[bytes]], *, patience: float = 10.0) -> None:
    """Wait until `processes` have ended by themselves; kill those that have not after `patience` seconds."""
    for process in processes:
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def remove_tree(folder: Path) -> None:
    """Delete `folder` with all below it, folders that a cell made read-only included."""
    for path, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            Path(path).chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _write_owner(workspace: Workspace) -> None:
    owner = {
        "pid": os.getpid(),
        "started": _started_at(os.getpid()),
        "sockets": str(workspace.sockets),
    }
    aside = workspace.folder / "owner.json.new"
    aside.write_text(json.dumps(owner))
    aside.rename(workspace.folder / "owner.json")


def _age(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _started_at(pid: int) -> str | None:
    """Start time of a process in clock ticks since boot, so that a reused number is not taken for its owner."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def _marked(folder: Path) -> Iterator[int]:
    marker = f"{MARKER}={folder}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Put Ctrl-C and SIGTERM off: half a clean-up is what the user would find later."""
    signals = (signal.SIGINT, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
