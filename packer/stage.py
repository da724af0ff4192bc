"""Where the notebook runs: the host itself, or a buildah working container."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nbslim.packer import buildah
from nbslim.packer.base import tools_of_image
from nbslim.packer.enclosure import without_network
from nbslim.packer.target import Engine
from nbslim.packer.tools import Tools
from nbslim.packer.workspace import Workspace

SYSTEM_FOLDERS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt")
"""What a container on the host's own system sees of it, read-only: enough for shell commands in cells."""


class Stage(Protocol):
    """The full environment: tools for its interpreter, and a way to run a command."""

    @property
    def tools(self) -> Tools:
        """How the stage's interpreter is found, asked and given distributions."""

    @property
    def isolation(self) -> str | None:
        """How the container is kept apart from the host; None: not at all."""

    def command(
        self, command: Sequence[str], *, folder: Path, readable: Sequence[Path], network: bool = True
    ) -> list[str]:
        """Return the host's command line that runs `command` in `folder` of the stage.

        `readable` are the folders that the command reads; the workspace is there in any case, and may be written.
        """


@dataclass(frozen=True)
class HostStage:
    """The host: no root, no daemon, no container engine."""

    tools: Tools
    isolation: str | None = None

    def command(
        self, command: Sequence[str], *, folder: Path, readable: Sequence[Path], network: bool = True
    ) -> list[str]:
        """See `Stage`; every folder is readable here, and the caller starts the command in `folder`."""
        del folder, readable
        return list(command) if network else without_network(command)


@dataclass(frozen=True)
class ContainerStage:
    """A buildah working container: from nothing with the host's system mounted, or from an image."""

    tools: Tools
    isolation: str
    workspace: Workspace
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
            self.workspace.container,
            command,
            isolation=self.isolation,
            network=network,
            mounts=mounts,
            folder=folder,
        )
        return without_network(line) if not network and self.isolation == "chroot" else line


@contextmanager
def open_stage(
    engine: Engine,
    workspace: Workspace,
    cache: Path,
    *,
    isolation: str | None = None,
    base: str | None = None,
) -> Iterator[Stage]:
    """Make the stage; the workspace removes its container when it closes."""
    if engine == "oci":
        yield HostStage(Tools(cache))
        return
    buildah.make_container(workspace.container, base or "scratch")
    if base is None:
        system = {Path(folder): False for folder in SYSTEM_FOLDERS if Path(folder).is_dir()}
        own = {Path(sys.base_prefix): False, Path(sys.prefix): False}
        working = isolation or _working_isolation(workspace, {**system, **own}, sys.executable)
        yield ContainerStage(Tools(cache), working, workspace, system)
    else:
        working = isolation or _working_isolation(workspace, {}, "python3")
        yield ContainerStage(tools_of_image(workspace, cache, isolation=working), working, workspace)


def _working_isolation(workspace: Workspace, mounts: Mapping[Path, bool], python: str) -> str:
    return buildah.working_isolation(workspace.container, mounts, [python, "-c", ""])
