"""An ordinary user: a home with nbslim installed, and nothing on PATH but a Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import ROOT
from uv import find_uv_bin

NOBODY = 65534
SYSTEM_PYTHON = Path("/usr/bin/python3")
KEPT = ("SSL_CERT", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root")
needs_system_python = pytest.mark.skipif(
    not SYSTEM_PYTHON.exists(), reason="a Python that every user may run is needed"
)


def install_for_user(home: Path) -> None:
    home.chmod(0o755)
    for name in ("analyzer", "packer", "runtime"):
        shutil.copytree(ROOT / name, home / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, home / "source")
    venv = [find_uv_bin(), "venv", "--quiet", "--python", SYSTEM_PYTHON, home / "venv"]
    install = [
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--compile-bytecode",
        "--python",
        home / "venv",
        home / "source",
    ]
    for command in (venv, install):
        subprocess.run(command, check=True)
    for name in ("tmp", "cache", "work", "bin"):
        (home / name).mkdir()
        os.chown(home / name, NOBODY, NOBODY)
    (home / "bin/python3").symlink_to(SYSTEM_PYTHON)
    shutil.copytree(ROOT / "fixtures/centers_only", home / "work/centers")


def variables(home: Path) -> dict[str, str]:
    """The user's whole environment; how the network is reached is the machine's."""
    kept = {name: value for name, value in os.environ.items() if name.upper().startswith(KEPT)}
    own = {
        "HOME": home / "work",
        "TMPDIR": home / "tmp",
        "NBSLIM_CACHE": home / "cache",
        "PATH": home / "bin",
    }
    return {
        **kept,
        **{name: str(value) for name, value in own.items()},
        "UV_CACHE_DIR": str(home / "cache/uv"),
    }


def as_user(home: Path, command: list[object], *, in_chroot: bool) -> dict[str, object]:
    """Return how to start `command` as an ordinary user; from a chroot the kernel grants no user namespace."""
    argv = [str(part) for part in command]
    options = {"env": variables(home), "cwd": home / "work", "text": True}
    if not in_chroot:
        return {"args": argv, "user": NOBODY, "group": NOBODY, "extra_groups": [], **options}
    other = home / "other-root"
    other.mkdir(exist_ok=True)
    script = (
        f'mount --rbind / {other} && cd {home}/work && exec chroot --userspec={NOBODY}:{NOBODY} {other} "$@"'
    )
    settings = [f"{name}={value}" for name, value in variables(home).items()]
    shell = [
        "/usr/bin/unshare",
        "--mount",
        "/bin/sh",
        "-c",
        script,
        "sh",
        "/usr/bin/env",
        "-i",
        "-C",
        f"{home}/work",
    ]
    return {"args": [*shell, *settings, *argv], "text": True}
