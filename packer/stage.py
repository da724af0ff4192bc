"""Where the notebook runs: the host itself, or a buildah working container on the host's own system."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from nbslim.packer import buildah
from nbslim.packer.enclosure import without_network
from nbslim.packer.workspace import Workspace

Engine = Literal["oci", "buildah"]

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt")
"""What a container on the host's own system sees of it, read-only: enough for shell commands in cells."""


class Stage(Protocol):
    """The full environment: a root folder as seen from the host, and a way to run a command."""

    @property
    def root(self) -> Path:
        """Where the stage's `/` lies on the host."""

    def command(
        self, command: Sequence[str], *, folder: Path, readable: Sequence[Path], network: bool = True
    ) -> list[str]:
        """Return the host's command line that runs `command` in `folder` of the stage.

        `readable` are the folders that the command reads; the workspace is there in any case, and may be written.
        """


@dataclass(frozen=True)
class HostStage:
    """The host: no root, no daemon, no container engine."""

    root: Path = Path("/")

    def command(
        self, command: Sequence[str], *, folder: Path, readable: Sequence[Path], network: bool = True
    ) -> list[str]:
        """See `Stage`; every folder is readable here, and the caller starts the command in `folder`."""
        del folder, readable
        return list(command) if network else without_network(command)


@dataclass(frozen=True)
class ContainerStage:
    """A buildah working container: from nothing with the host's system mounted, or from an image."""

    name: str
    isolation: str
    workspace: Workspace
    root: Path = Path("/")
    system: Mapping[Path, bool] = field(default_factory=dict)

    def command(
        self, command: Sequence[str], *, folder: Path, readable: Sequence[Path], network: bool = True
    ) -> list[str]:
        """See `Stage`; folders are mounted under their own names, so that paths mean the same inside."""
        mounts = {
            **self.system,
            **dict.fromkeys(readable, False),
            self.workspace.folder: True,
            self.workspace.sockets: True,
        }
        line = buildah.run_command(
            self.name, command, isolation=self.isolation, network=network, mounts=mounts, folder=folder
        )
        return without_network(line) if not network and self.isolation == "chroot" else line


@contextmanager
def open_stage(
    engine: Engine, workspace: Workspace, *, isolation: str | None = None, base: str | None = None
) -> Iterator[Stage]:
    """Make the stage; the workspace removes its container when it closes."""
    if engine == "oci":
        yield HostStage()
        return
    buildah.make_container(workspace.container, base or "scratch")
    if base is None:
        root, system = Path("/"), {Path(f): False for f in SYSTEM_FOLDERS if Path(f).is_dir()}
        probe = [sys.executable, "-c", ""]
        readable = {Path(sys.base_prefix): False, Path(sys.prefix): False}
    else:
        root, system, probe, readable = buildah.mount(workspace.container), {}, ["/usr/bin/env", "true"], {}
    working = isolation or buildah.working_isolation(workspace.container, {**system, **readable}, probe)
    yield ContainerStage(workspace.container, working, workspace, root, system)
