"""Data files that serving opens, and modules in folders on the search path, are in the image under their own names."""

from __future__ import annotations

import json

import pytest
from notebooks import write_notebook
from support import post, run_nbslim, serving

DATA = """
import csv, joblib, pathlib
joblib.dump({"rate": 3}, "model.joblib")
pathlib.Path("data").mkdir()
pathlib.Path("data/names.csv").write_text("1,one\\n2,two\\n")
pathlib.Path("training.csv").write_text("not needed")

def predictor(x):
    with open("data/names.csv") as file:
        names = {int(number): name for number, name in csv.reader(file)}
    return [names[x], x * joblib.load("model.joblib")["rate"], pathlib.Path("/etc/nbslim-test").exists()]

samples = [1, 2]
"""
OUTSIDE = """
import subprocess

def predictor(x):
    if x > 5:
        return [open("/etc/hostname").read(), open("../beside.txt").read(), subprocess.run(["convert"])]
    return x

samples = [1]
"""
MODULES = """
import sys
sys.path.append("src")
import helper

def predictor(x):
    import late.inner
    return helper.tripled(x) + late.inner.ONE

samples = [1, 2]
"""
DYNAMIC = """
import os, sys
sys.path.insert(0, os.path.join(os.getcwd(), "".join(["s", "rc"])))
import helper

def predictor(x):
    return helper.tripled(x)

samples = [1, 2]
"""


@pytest.fixture
def pack(tmp_path):
    """Pack a notebook of one cell with the files beside it; returns the receipt."""

    def pack(cell, *, requirements=(), files=()):
        folder = tmp_path / "user"
        for name, text in dict(files).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        folder.mkdir(exist_ok=True)
        notebook = write_notebook(folder / "model.ipynb", cell, requirements=requirements)
        result = run_nbslim(
            "pack", notebook, "--engine", "oci", "--output", tmp_path / "image.tar",
            "--bundle", tmp_path / "bundle", "--json",
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return pack


def equal(receipt):
    return receipt["verified"]["equal"], receipt["verified"]["samples"]


@pytest.mark.parametrize("source", ["image.tar", "bundle"])
def test_files_that_serving_opens_are_there_and_no_others(pack, tmp_path, source):
    receipt = pack(DATA, requirements=("joblib",))
    assert equal(receipt) == (2, 2)
    files = tmp_path / "bundle/files"
    carried = {str(path.relative_to(files)) for path in files.rglob("*") if path.is_file()}
    assert carried == {"model.joblib", "data/names.csv"}
    (tmp_path / "tmp").mkdir()
    with serving(tmp_path / source, tmp_path / "tmp") as (address, _):
        assert post(address, 2) == (200, ["two", 6, False])


def test_what_the_image_does_not_have_is_told_with_its_place(pack):
    warnings = pack(OUTSIDE)["warnings"]
    assert [
        warning for warning in warnings if warning.startswith("model.ipynb, cell 2, line 6: the image")
    ] == [
        "model.ipynb, cell 2, line 6: the image has no program convert",
        "model.ipynb, cell 2, line 6: the image does not have ../beside.txt, which is not in the notebook's folder",
        "model.ipynb, cell 2, line 6: the image does not have /etc/hostname, which is not in the notebook's folder",
    ]


HELPER = {
    "src/helper.py": "def tripled(x): return 3 * x",
    "src/late/__init__.py": "",
    "src/late/inner.py": "ONE = 1",
}


def modules(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*.py")}


def test_modules_in_folders_on_the_search_path_are_imported_by_their_own_names(pack, tmp_path):
    receipt = pack(MODULES, files=HELPER)
    assert equal(receipt) == (2, 2)
    assert receipt["warnings"] == []
    carried = modules(tmp_path / "bundle/modules")
    assert {"helper.py", "late/__init__.py", "late/inner.py"} <= carried
    assert "src/helper.py" not in carried  # nobody imported it as src.helper


def test_modules_that_only_the_kernel_found_are_carried(pack, tmp_path):
    assert equal(pack(DYNAMIC, files=HELPER)) == (2, 2)
    assert modules(tmp_path / "bundle/modules") == {"helper.py"}
