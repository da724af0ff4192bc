"""Source distributions from PyPI: pinned by their hash, downloaded once, unpacked as far as a notebook needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from support import ROOT
from uv import find_uv_bin

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = ROOT / "build/sdists"


@dataclass(frozen=True)
class Sdist:
    """A source distribution as it is pinned."""

    distribution: str
    version: str
    sha256: str

    @property
    def path(self) -> Path:
        return FOLDER / f"{self.distribution}-{self.version}.tar.gz"

    def is_there(self) -> bool:
        return self.path.is_file() and hashlib.sha256(self.path.read_bytes()).hexdigest() == self.sha256


def download(sdists: Sequence[Sdist]) -> None:
    """Fetch those of `sdists` that are not there yet, four at a time."""
    missing = [sdist for sdist in sdists if not sdist.is_there()]
    if not missing:
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    addresses = addresses_of(missing)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fetch, missing, [addresses[sdist.distribution] for sdist in missing]))


def addresses_of(sdists: Sequence[Sdist]) -> dict[str, str]:
    """Ask the index that uv is told to use where `sdists` lie."""
    pins = "\n".join(f"{sdist.distribution}=={sdist.version}" for sdist in sdists)
    # For a Python that all of them support: which one the tests run on says nothing about notebooks.
    options = ["--no-deps", "--universal", "--python-version", "3.13", "--format", "pylock.toml", "--quiet"]
    command = [find_uv_bin(), "pip", "compile", *options, "-"]
    locked = subprocess.run(command, input=pins, capture_output=True, text=True, check=False)
    assert locked.returncode == 0, locked.stderr
    return {package["name"]: package["sdist"]["url"] for package in tomllib.loads(locked.stdout)["packages"]}


def fetch(sdist: Sdist, address: str) -> None:
    with urllib.request.urlopen(address, timeout=60) as answer:
        content = answer.read()
    found = hashlib.sha256(content).hexdigest()
    assert found == sdist.sha256, f"{sdist.distribution} {sdist.version} has the hash {found}"
    part = sdist.path.with_suffix(f".{os.getpid()}")
    part.write_bytes(content)
    part.replace(sdist.path)


def unpack(sdist: Sdist, notebooks: Sequence[str], folder: Path) -> Path:
    """Write `notebooks` below `folder`, with the Python files that lie beside them; returns the project's folder."""
    beside = {PurePosixPath(notebook).parent for notebook in notebooks}
    with tarfile.open(sdist.path) as archive:
        for member in archive:
            inside = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            wanted = str(inside) in notebooks or (inside.suffix == ".py" and inside.parent in beside)
            if wanted and (content := archive.extractfile(member)):
                (folder / inside).parent.mkdir(parents=True, exist_ok=True)
                (folder / inside).write_bytes(content.read())
    return folder
