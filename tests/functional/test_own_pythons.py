"""nbslim itself runs on the oldest and on the newest Python that it supports, as its users install it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from installed import install_nbslim
from nbslim.packer.pythons import find_python, installed_pythons
from support import CACHE, NBSLIM, ROOT

NOTEBOOK = ROOT / "tests/notebooks/plain.ipynb"


@pytest.fixture(scope="module", params=["3.10", "3.13"])
def nbslim(request, tmp_path_factory):
    if request.param not in {python.minor for python in installed_pythons()}:
        pytest.skip(f"Python {request.param} is not installed")
    return install_nbslim(tmp_path_factory.mktemp("installed"), find_python(request.param).executable)


def run(nbslim: Path, *arguments: object, folder: Path) -> str:
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE)}
    result = subprocess.run(
        [nbslim, *arguments], capture_output=True, text=True, check=False, env=environment, cwd=folder
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def answers(nbslim: Path, folder: Path) -> list[object]:
    """What does not depend on the Python that nbslim runs on: version, analysis, digest of the image."""
    version = run(nbslim, "--version", folder=folder)
    analysis = json.loads(run(nbslim, "analyze", NOTEBOOK, "--json", folder=folder))
    receipt = json.loads(run(nbslim, "pack", NOTEBOOK, "--engine", "oci", "--json", folder=folder))
    return [version, analysis, receipt["digest"]]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    return answers(NBSLIM, tmp_path_factory.mktemp("expected"))


def test_command_gives_the_same_on_every_python(nbslim, expected, tmp_path):
    assert answers(nbslim, tmp_path) == expected
