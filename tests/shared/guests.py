"""The Pythons on which nbslim's own code runs as a guest: in a notebook's environment, in an image."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

OLDEST = (3, 9)


def guest_pythons() -> list:
    """The one that runs this and pyenv's, as parameters of a test."""
    home = Path.home() / ".pyenv/versions"
    found = {sys.executable: "{}.{}.{}".format(*sys.version_info)}
    for path in sorted(home.glob("3.*/bin/python3")):
        version = path.parts[-3]
        if tuple(map(int, version.split(".")[:2])) >= OLDEST and version not in found.values():
            found[str(path)] = version
    return [pytest.param(path, id=version) for path, version in found.items()]
