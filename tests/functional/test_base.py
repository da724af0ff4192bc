"""The builder may be an image of its own: its interpreter, its libraries and its packages serve."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import zmq.backend.cython._zmq
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.oci import ImageConfig, Layer, write_archive
from notebooks import write_notebook
from support import ROOT, needs_buildah, run_nbslim
from uv import find_uv_bin

pytestmark = needs_buildah
BASE = "localhost/nbslim-test-base:1"


@pytest.fixture(scope="module", name="base")
def _base(tmp_path_factory):
    """An image that holds a Python and nothing else, made here because none can be fetched."""
    folder = tmp_path_factory.mktemp("base")
    # What uv and the kernel need of a system must be there, as it is in any base that has one.
    system = [Path(find_uv_bin()), Path(zmq.backend.cython._zmq.__file__)]
    assemble_interpreter(describe(sys.executable), folder / "tree", libraries_for=system)
    config = ImageConfig(entrypoint=("/usr/bin/python3",), env={"PATH": "/usr/bin"}, user="0:0")
    archive = folder / "base.oci.tar"
    write_archive(folder / "tree", [Layer("all", ("",))], config, reference=BASE, output=archive)
    subprocess.run(
        ["buildah", "pull", "--quiet", f"oci-archive:{archive}:{BASE}"], check=True, capture_output=True
    )
    yield BASE
    subprocess.run(["buildah", "rmi", "--force", BASE], check=False, capture_output=True)


@pytest.mark.parametrize("isolation", ["chroot", "oci"])
def test_notebook_runs_in_the_base_and_its_interpreter_serves(base, isolation, tmp_path):
    cells = ["import numpy as np\nsamples = [[1, 2]]", "def predictor(x):\n    return np.sum(x)"]
    notebook = write_notebook(tmp_path / "model.ipynb", *cells, requirements=("numpy",))
    archive = tmp_path / "image.oci.tar"
    version = "{}.{}".format(*sys.version_info)
    result = run_nbslim(
        "pack", notebook, "--tag", "nbslim-test/base:1", "--engine", "buildah", "--base", base, "--python", version,
        "--isolation", isolation, "--output", archive, "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    receipt = json.loads(result.stdout)
    assert receipt["python"] == "{}.{}.{}".format(*sys.version_info)
    assert receipt["verified"]["samples"] == receipt["verified"]["equal"] == 1
    assert {d["name"] for d in receipt["distributions"]} == {"numpy"}
    assert archive.exists()


def test_base_with_another_python_is_refused_with_what_it_has(base):
    result = run_nbslim(
        "pack", ROOT / "tests/notebooks/plain.ipynb", "--engine", "buildah", "--base", base, "--python", "3.9"
    )
    assert result.returncode == 5
    assert "the base image has Python 3." in result.stderr
    assert "the notebook wants 3.9" in result.stderr


def test_base_that_is_not_there_is_one_line():
    missing = "localhost/nbslim-test-nowhere:1"
    result = run_nbslim(
        "pack", ROOT / "tests/notebooks/plain.ipynb", "--engine", "buildah", "--base", missing
    )
    assert result.returncode == 5
    assert missing in result.stderr
    assert "Traceback" not in result.stderr
