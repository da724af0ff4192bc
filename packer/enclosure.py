"""Run a program of an assembled tree as if the tree were the whole machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from nbslim.packer.errors import BuildError

Method = Literal["chroot", "user namespace", "loader"]

_ENTER = Path(__file__).with_name("enter.py")


@dataclass(frozen=True)
class Enclosure:
    """A tree and the way in: chroot as root, chroot in a user namespace, or the tree's own dynamic loader."""

    tree: Path
    method: Method

    def path(self, inside: str) -> str:
        """Return how a program that runs in here names the image's path `inside`."""
        return f"{self.tree}{inside}" if self.method == "loader" else inside

    def command(
        self, command: Sequence[str], *, environment: Mapping[str, str], writable: bool = False
    ) -> tuple[list[str], dict[str, str]]:
        """Return command line and environment that run the tree's Python with the given arguments.

        `command` starts behind `/usr/bin/python3`. The loader's method cannot make the tree read-only.
        """
        variables = dict(environment)
        if self.method == "loader":
            variables["PYTHONHOME"] = self.path("/usr")
            return [*self._loader(), self.path("/usr/bin/python3"), *command], variables
        enter = [sys.executable, "-I", str(_ENTER), "--root", str(self.tree)]
        options = ["--writable"] if writable else []
        return [*enter, *options, "--", "/usr/bin/python3", *command], variables

    def _loader(self) -> list[str]:
        loader = next((self.tree / "usr/lib").glob("ld-*.so*"), None)
        if loader is None:
            message = f"{self.tree} holds no dynamic loader"
            raise BuildError(message)
        return [str(loader), "--library-path", self.path("/usr/lib")]


def enclose(tree: Path) -> Enclosure:
    """Return the strictest enclosure for `tree` that this machine allows."""
    if _may_enter():
        return Enclosure(tree, "chroot" if os.geteuid() == 0 else "user namespace")
    return Enclosure(tree, "loader")


def without_network(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` where there is no network.

    Raises BuildError where the machine does not allow that.
    """
    prefix = [sys.executable, "-I", str(_ENTER), "--no-network", "--"]
    probe = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if probe.returncode:
        reason = probe.stderr.strip().rpartition("\n")[2]
        message = f"--no-network: this machine lets no program leave its network ({reason})"
        raise BuildError(message, hint="run as root, or allow user namespaces")
    return [*prefix, *command]


def with_fixed_addresses(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` with its memory at the same addresses in each run.

    Where hashes follow addresses (that of None does up to Python 3.11), the order of sets does as well.
    """
    return [sys.executable, "-I", str(_ENTER), "--fixed-addresses", "--", *command]


@cache
def _may_enter() -> bool:
    probe = [sys.executable, "-I", str(_ENTER), "--root", "/", "--writable", "--", sys.executable, "-c", ""]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0
