"""The tools of a base image: its own interpreter, run inside its working container."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer import buildah
from nbslim.packer.errors import BuildError
from nbslim.packer.pythons import Python, is_path
from nbslim.packer.tools import Tools
from nbslim.packer.uv import run_uv, uv_folder
from nbslim.packer.workspace import MARKER, Workspace

_QUESTION = """
import json, os, sys
version = "%d.%d.%d" % sys.version_info[:3]
print(json.dumps([version, os.path.realpath(sys.executable), sys.base_prefix]))
"""

# What uv needs of the caller's environment: its settings, and how the network is reached.
_PREFIXES = ("UV_", "SSL_CERT_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


def tools_of_image(workspace: Workspace, cache: Path, *, isolation: str) -> Tools:
    """Return the tools of the image that the workspace's container was made from, which is mounted for that.

    Raises BuildError where buildah may not mount it.
    """
    image = _Image(workspace, cache / "bases" / buildah.image_of(workspace.container)[:16], isolation)
    image.cache.mkdir(parents=True, exist_ok=True)
    return Tools(
        cache=image.cache,
        find=image.find,
        uv=functools.partial(run_uv, wrap=image.wrap_uv),
        ask=image.ask,
        root=buildah.mount(workspace.container),
    )


@dataclass(frozen=True)
class _Image:
    workspace: Workspace
    cache: Path
    isolation: str

    def find(self, version: str) -> Python:
        """Return the image's `python3`; raises BuildError where it is another version or there is none."""
        if is_path(version):
            message = f"--python {version}: a base image brings its own interpreter"
            raise BuildError(message, hint="give a version, or leave --python out")
        found, executable, prefix = json.loads(self.ask(["python3", "-I", "-c", _QUESTION]))
        if not f"{found}.".startswith(f"{version}."):
            message = f"the base image has Python {found}, the notebook wants {version}"
            raise BuildError(message, hint=f"choose an image with Python {version}, or give --python {found}")
        return Python(found, Path(executable), Path(prefix))

    def ask(self, command: Sequence[str]) -> str:
        """Run `command` in the container and return its standard output."""
        result = subprocess.run(self._line(command, {}, {}), capture_output=True, text=True, check=False)
        if result.returncode:
            last = result.stderr.strip().rpartition("\n")[2]
            message = f"`{command[0]}` does not run in the base image: {last}"
            raise BuildError(message, hint="the base needs python3 on its PATH, and the GNU C library")
        return result.stdout

    def wrap_uv(self, command: list[str]) -> list[str]:
        """Return the command line that runs the host's uv in the container, with the host's cache of packages."""
        packages = Path(os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache/uv")
        packages.mkdir(parents=True, exist_ok=True)
        variables = {n: v for n, v in os.environ.items() if n.upper().startswith(_PREFIXES)}
        certificates = [
            Path(v) for n, v in variables.items() if n.startswith("SSL_CERT_") and Path(v).exists()
        ]
        mounts = {uv_folder(): False, packages: True, self.cache: True, **dict.fromkeys(certificates, False)}
        # uv runs as root of the container and must not look for a home that is not there.
        own = {"UV_CACHE_DIR": str(packages), "UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}
        return self._line(command, mounts, {**variables, **own, MARKER: str(self.workspace.folder)})

    def _line(
        self, command: Sequence[str], mounts: Mapping[Path, bool], variables: Mapping[str, str]
    ) -> list[str]:
        return buildah.run_command(
            self.workspace.container,
            command,
            isolation=self.isolation,
            network=True,
            mounts=mounts,
            folder=Path("/"),
            variables=variables,
        )
