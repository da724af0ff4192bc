"""Variables given with -e reach the cells and nothing that is left, unless the notebook itself keeps them."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from notebooks import write_notebook
from support import ENGINES, needs_buildah, run_nbslim

GIVEN, TAKEN = "given-4b1d90c2e7", "taken-9f3e6a58d0"
TRAIN = f"""
import os
assert os.environ["GIVEN_NAME"] == {GIVEN[::-1]!r}[::-1]
assert os.environ["TAKEN_NAME"] == {TAKEN[::-1]!r}[::-1]
assert "NBSLIM_TEST_UNNAMED" not in os.environ
length = len(os.environ["GIVEN_NAME"])
"""
SERVE = """
samples = [1]

def predictor(x):
    return x + length
"""
KEEP = """
token = os.environ["GIVEN_NAME"]
samples = [1]

def predictor(x):
    return [x, token]
"""


def everything(folder: Path):
    """Yield path and bytes of all files below `folder`, and of what archives and their layers hold, unpacked."""
    for path in folder.rglob("*"):
        if path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                for member in (member for member in archive if member.isfile()):
                    data = archive.extractfile(member).read()
                    yield f"{path}:{member.name}", gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        elif path.is_file():
            yield str(path), path.read_bytes()


@pytest.fixture(autouse=True)
def _no_image_left():
    yield
    if shutil.which("buildah"):
        command = ["buildah", "rmi", "--force", "localhost/nbslim-test/secret-buildah:1"]
        subprocess.run(command, capture_output=True, check=False)


def pack(folder: Path, engine: str, *cells: str) -> Path:
    """Pack with both kinds of -e; returns the folder of all that is left: archive, bundle, receipt, messages."""
    notebook = write_notebook(folder / "secret.ipynb", *cells)
    left = folder / "left"
    left.mkdir()
    result = run_nbslim(
        "pack", notebook, "--tag", f"nbslim-test/secret-{engine}:1", "--engine", engine, "--json",
        "--output", left / "image.tar", "--bundle", left / "bundle", "-e", f"GIVEN_NAME={GIVEN}", "-e", "TAKEN_NAME",
        variables={"TAKEN_NAME": TAKEN, "NBSLIM_TEST_UNNAMED": "1", "TMPDIR": str(folder)},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (left / "receipt").write_text(result.stdout)
    (left / "messages").write_text(result.stderr)
    return left


def holding(folder: Path, *texts: str) -> list[str]:
    return [path for path, data in everything(folder) if any(text.encode() in data for text in texts)]


@pytest.mark.parametrize(
    "engine", [pytest.param(engine, marks=needs_buildah if engine == "buildah" else ()) for engine in ENGINES]
)
def test_values_and_names_are_nowhere_in_what_is_left(engine, tmp_path):
    left = pack(tmp_path, engine, TRAIN, SERVE)
    assert holding(left, GIVEN, TAKEN, "GIVEN_NAME", "TAKEN_NAME") == []
    assert holding(left, "def predictor", "NBSLIM_DISTRIBUTIONS") != []  # what is there is found
    assert holding(tmp_path, GIVEN, TAKEN) == []


def test_value_that_the_notebook_keeps_is_in_the_bundle_alone(tmp_path):
    left = pack(tmp_path, "oci", TRAIN, KEEP)
    assert holding(left, TAKEN, "TAKEN_NAME") == []
    paths = holding(left, GIVEN)
    assert f"{left}/bundle/entry_points.pickle" in paths
    assert len([path for path in paths if ".tar:" in path]) == 1
