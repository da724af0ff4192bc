"""Large arrays of a notebook are mapped where it is served, and a bundle that was damaged is not served at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from nbslim.packer.enclosure import enclose
from nbslim.packer.image import ENVIRONMENT
from nbslim.packer.replay import inside
from nbslim.packer.unpack import unpack_archive
from nbslim.packer.workspace import remove_tree
from nbslim.runtime.integrity import digest
from notebooks import write_notebook
from support import free_port, post, run_nbslim, serving

ARRAYS = """
import numpy as np
import pandas as pd
import helper

table = np.arange(1_000_000, dtype="f8")
again = table
window = table[100:900_000]
by_column = np.asfortranarray(np.arange(600_000, dtype="i4").reshape(600, 1000))
every_other = table[::2]
frame = pd.DataFrame({"number": np.arange(50_000.0), "other": np.arange(50_000.0) * 2, "text": "x"})
fixed = np.arange(100_000)
fixed.flags.writeable = False
small, empty, nothing = np.arange(10), np.empty((0, 3)), np.empty(0)
mixed = np.array([table, "a text", None], dtype=object)
times = np.arange(20_000).astype("M8[s]")
records = np.zeros(20_000, dtype=[("a", "i4"), ("b", "f8")])

def predictor(x):
    with open("rates.txt") as file:
        rate = float(file.read())
    table[5] += 1
    return [
        helper.double(float(table[x])), again is table, mixed[0] is table, float(window[x]), int(by_column[3, x]),
        bool(by_column.flags.f_contiguous), float(every_other[x]), float(frame["other"][x]), frame["text"][x],
        int(fixed[x]), bool(fixed.flags.writeable), bool(table.flags.writeable), int(small[3]),
        list(empty.shape), len(nothing), str(times[x]), int(records["a"][x]), table.ctypes.data % 16, rate,
    ]

samples = [3, 7, 11]
"""
FILES = {"helper.py": "def double(x):\n    return 2 * x\n", "rates.txt": "3.5"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("arrays")
    (folder / "user").mkdir()
    for name, text in FILES.items():
        (folder / "user" / name).write_text(text)
    requirements = ("numpy==2.1.0", "pandas==2.2.3")
    notebook = write_notebook(folder / "user/arrays.ipynb", ARRAYS, requirements=requirements)
    result = run_nbslim(
        "pack", notebook, "--engine", "oci", "--output", folder / "image.tar", "--bundle", folder / "bundle", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (folder / "receipt").write_text(result.stdout)
    return folder


@pytest.fixture(scope="module")
def tree(packed):
    """The image's own root, without a container."""
    folder = packed / "tree"
    folder.mkdir()
    unpack_archive(packed / "image.tar", folder)
    yield folder
    remove_tree(folder)


def receipt(packed):
    return json.loads((packed / "receipt").read_text())


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_answers_are_the_notebooks_own(packed):
    told = receipt(packed)
    assert (told["level"], told["verified"]["equal"], told["verified"]["samples"]) == ("modules", 3, 3)


def test_arrays_lie_beside_the_pickle(packed):
    sizes = {name: entry["size"] for name, entry in manifest(packed / "bundle")["files"].items()}
    by_itself = 8_000_000 + 7_999_200 - 800_000 + 2_400_000
    assert sizes["entry_points.buffers"] > by_itself
    assert (
        sizes["entry_points.pickle"] < 4_400_000
    )  # every other number is pickled by value, and so are texts


@pytest.mark.parametrize("source", ["bundle", "image.tar"])
def test_service_answers_from_mapped_arrays(packed, source, tmp_path):
    with serving(packed / source, tmp_path) as (address, _):
        status, answer = post(address, 7)
    assert (status, answer[:4], answer[-2:]) == (200, [14.0, True, True, 107.0], [0, 3.5])


@pytest.mark.parametrize("place", ["bundle", "tree/app/model"])
def test_manifest_lists_every_file_with_its_hash(packed, tree, place):
    folder = packed / place
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    listed = manifest(folder)["files"]
    assert set(listed) == files - {"manifest.json"}
    for name, entry in listed.items():
        assert entry == {"size": (folder / name).stat().st_size, "sha256": digest(folder / name)}


def test_manifest_of_the_image_tells_what_is_kept(packed, tree):
    told, inside_image = receipt(packed), manifest(tree / "app/model")
    kept = {d["name"]: d["version"] for d in told["distributions"] if d["name"] not in told["left_out"]}
    assert inside_image["distributions"] == kept
    assert {"numpy", "pandas"} <= set(kept)
    assert (inside_image["level"], manifest(packed / "bundle")["level"]) == ("modules", None)
    notebook = digest(packed / "user/arrays.ipynb")
    assert inside_image["notebook"] == manifest(packed / "bundle")["notebook"] == notebook


def test_sources_of_local_modules_are_bytecode_in_the_image(tree):
    files = set(manifest(tree / "app/model")["files"])
    assert "modules/helper.pyc" in files
    assert "modules/helper.py" not in files  # that its hash is checked is no reason to keep it


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "pickle": ("entry_points.pickle", flip, "it was changed since it was packed"),
    "arrays": ("entry_points.buffers", flip, "it was changed since it was packed"),
    "samples": ("samples.jsonl", flip, "it was changed since it was packed"),
    "data": ("files/rates.txt", flip, "it was changed since it was packed"),
    "truncated": ("entry_points.buffers", lambda path: os.truncate(path, 70_000), "and has 70000"),
    "missing": ("entry_points.buffers", Path.unlink, "it is in the list of manifest.json, and not there"),
    "module": ("modules/json.py", Path.touch, "it is there, and not in the list of manifest.json"),
    "link": (
        "modules/more.py",
        lambda path: path.symlink_to("helper.py"),
        "it is neither a file nor a folder",
    ),
    "format": ("manifest.json", lambda path: restated(path, format=1), "format 1 is not 2"),
    "python": ("manifest.json", lambda path: restated(path, python="3.2"), "made by Python 3.2"),
    "manifest": ("manifest.json", lambda path: os.truncate(path, 100), "not JSON"),
    "outside": (
        "manifest.json",
        lambda path: restated(path, files={"../x": {"size": 0, "sha256": ""}}),
        "'../x' in its list is no path of a file in the bundle",
    ),
}


def restated(path: Path, **changed: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


@contextlib.contextmanager
def damaged(folder: Path, path: Path, do):
    """Damage a bundle for this block; files may be linked from nbslim's cache, and are not written to."""
    kept = folder.with_name("kept")
    folder.rename(kept)
    shutil.copytree(kept, folder)
    do(path)
    try:
        yield
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_image_with_a_damaged_bundle_does_not_start(tree, damage):
    name, do, fault = DAMAGES[damage]
    enclosure = enclose(tree)
    command, variables = enclosure.command(
        ["-m", "nbslim.runtime", enclosure.path("/app/model")],
        environment={**inside(enclosure, ENVIRONMENT), "PORT": str(free_port())},
    )
    with damaged(tree / "app/model", tree / "app/model" / name, do):
        done = subprocess.run(
            command, env=variables, cwd="/", capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith(f"nbslim: {enclosure.path('/app/model')}/{name}: ")
    assert fault in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("damage", sorted(DAMAGES.keys() - {"format", "python", "manifest"}))
def test_serve_refuses_a_damaged_bundle_in_one_line(packed, tmp_path, damage):
    name, do, fault = DAMAGES[damage]
    shutil.copytree(packed / "bundle", tmp_path / "bundle")
    do(tmp_path / "bundle" / name)
    result = run_nbslim("serve", tmp_path / "bundle", "--port", free_port(), timeout=60)
    assert result.returncode == 5
    assert result.stderr.startswith(f"nbslim: {tmp_path / 'bundle' / name}: ")
    assert fault in result.stderr
    assert result.stderr.count("\n") == 1


def test_serving_a_bundle_twice_adds_nothing_to_it(packed, tmp_path):
    for _ in range(2):
        with serving(packed / "bundle", tmp_path) as (address, _):
            assert post(address, 3)[0] == 200
    assert not list((packed / "bundle").rglob("__pycache__"))


def test_arrays_are_remembered_with_the_notebook_and_with_the_pack(packed, tmp_path):
    """At another level the cells need not run again; where nothing changed, nothing is done again."""
    for number, options in enumerate([("--level", "packages"), ()]):
        result = run_nbslim(
            "pack", packed / "user/arrays.ipynb", "--engine", "oci", "--output", tmp_path / f"{number}.tar",
            "--bundle", tmp_path / str(number), "--json", *options,
        )  # fmt: skip
        told = json.loads(result.stdout)
        assert told["cached"] == {"environment": True, "notebook": True, "pack": not options}
        assert told["verified"]["equal"] == 3
        assert manifest(tmp_path / str(number))["files"] == manifest(packed / "bundle")["files"]


def test_packing_again_gives_the_same_image(packed, tmp_path):
    result = run_nbslim(
        "pack", packed / "user/arrays.ipynb", "--engine", "oci", "--output", tmp_path / "image.tar", "--json",
        "--no-cache",
    )  # fmt: skip
    assert json.loads(result.stdout)["digest"] == receipt(packed)["digest"]
