"""An image whose answers would differ is not written; a module that only replay misses is added."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest
from notebooks import write_notebook
from support import needs_buildah, run_nbslim

SAMPLES = "samples = [1, 2]"
PATCHED = """
import math
for module in [math]:
    module.factorial = lambda x: -x

def predictor(x):
    return math.factorial(x)
"""
HERE = """
import os

def predictor(x):
    return [x, os.path.exists("/usr/bin/env")]
"""
DATA = """
from pathlib import Path
rates = Path("".join(["rates", ".txt"]))
rates.write_text("3")

def predictor(x):
    return x * int(rates.read_text())
"""
DIFFERENT = {
    "patched": (PATCHED, r"sample 1: expected .*-1.*, got .*1"),
    "machine": (HERE, r"sample 1: expected .*True.*, got .*False"),
    "file": (DATA, r"sample 1: expected .*3.*, got .*FileNotFoundError"),
}
COMPUTED = """
import importlib

def predictor(x):
    return importlib.import_module("xis"[::-1]).text_type(x)
"""


def images() -> set[str]:
    """The names of all images in the containers' storage."""
    if shutil.which("buildah") is None:
        return set()
    command = ["buildah", "images", "--format", "{{.Name}}:{{.Tag}}"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


# Replay is the same for both engines; one case shows that buildah's storage stays as it was.
TRIES = [(case, "oci") for case in DIFFERENT] + [pytest.param("patched", "buildah", marks=needs_buildah)]


@pytest.mark.parametrize(("case", "engine"), TRIES)
def test_other_answers_are_refused_and_leave_nothing(case, engine, tmp_path):
    cell, problem = DIFFERENT[case]
    folder, temporary = tmp_path / "notebook", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    notebook = write_notebook(folder / "different.ipynb", cell, SAMPLES)
    result = run_nbslim(
        "pack", notebook, "--tag", "nbslim-test/different:1", "--engine", engine, "--output", tmp_path / "out.tar",
        "--bundle", tmp_path / "bundle", cwd=tmp_path, variables={"TMPDIR": str(temporary)},
    )  # fmt: skip
    lines = [line for line in re.split(r"[\r\n]", result.stderr) if line.startswith("nbslim: ")]
    assert result.returncode == 6, result.stderr
    assert len(lines) == 1
    assert re.match(rf"nbslim: different\.ipynb: the answers changed: {problem}", lines[0])
    assert result.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notebook", "tmp"]
    assert list(temporary.iterdir()) == []
    assert not [name for name in images() if "nbslim-test/different" in name]


@pytest.fixture(scope="module")
def computed(tmp_path_factory):
    """The folder of a packed notebook that imports six by a name that no analysis sees."""
    folder = tmp_path_factory.mktemp("computed")
    notebook = write_notebook(
        folder / "computed.ipynb", COMPUTED, SAMPLES, requirements=("six==1.17.0", "toml==0.10.2")
    )
    result = run_nbslim(
        "pack", notebook, "--engine", "oci", "--output", folder / "image.tar", "--bundle", folder / "bundle",
        "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (folder / "receipt").write_text(result.stdout)
    return folder


def receipt(folder):
    return json.loads((folder / "receipt").read_text())


def test_module_that_replay_misses_is_added_with_its_distribution(computed):
    assert "six is kept because replay imports six" in receipt(computed)["warnings"]
    assert receipt(computed)["verified"]["equal"] == 2


def test_receipt_counts_what_replay_added_as_kept(computed):
    assert [d["name"] for d in receipt(computed)["distributions"]] == ["six"]
    assert "six" not in [d["name"] for d in receipt(computed)["dropped"]]


def test_bundle_asks_for_what_replay_added(computed):
    manifest = json.loads((computed / "bundle/manifest.json").read_text())
    assert manifest["distributions"] == {"six": "1.17.0"}
