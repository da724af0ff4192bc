"""nbslim as its users install it: from its own distribution, for any Python, in any folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from support import ROOT
from uv import find_uv_bin


def install_nbslim(folder: Path, python: Path) -> Path:
    """Install nbslim below `folder` for the interpreter `python`, nothing editable; returns the command."""
    source, venv = folder / "source", folder / "venv"
    for package in ("analyzer", "packer", "runtime"):
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--no-project", "--python", python, venv], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", venv, source], check=True)
    return venv / "bin/nbslim"
