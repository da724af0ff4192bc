"""Level modules keeps what serving reaches, explains what it removed, and gives way where an answer would change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import urllib.request

import pytest
from notebooks import write_notebook
from support import CACHE, post, run_nbslim, serving

REQUIREMENTS = ("six==1.17.0", "pyfiglet==1.0.2")
READER = """
import importlib, inspect, os
from importlib.metadata import version
import pyfiglet, six

def predictor(x):
    if x == "data":
        return pyfiglet.figlet_format("4", font="slant")
    if x == "folder":
        return sorted(os.listdir(os.path.join(os.path.dirname(pyfiglet.__file__), "fonts")))
    if x == "source":
        return inspect.getsource(six.ensure_str)
    if x == "version":
        return [version("six"), version("pyfiglet")]
    if x == "error":
        return {}["no " + x]
    if x == "module":
        return importlib.import_module("".join(["color", "sys"])).rgb_to_hsv(1, 1, 1)
    return six.ensure_text(x)
"""
SAMPLES = 'samples = ["data", "folder", "source", "version", "error"]'
SIX = """
import six

def predictor(x):
    return six.ensure_text(x)
"""
FAULT = """
import sys
from nbslim.packer import modules
from nbslim.packer.cli import main

reached = modules.reached
modules.reached = lambda *known, **keep: frozenset(one for one in reached(*known, **keep) if "six.py" not in one)
sys.exit(main(sys.argv[1:]))
"""
"""The command with a fault: the list of files that stay lacks a needed one."""


@pytest.fixture(name="pack")
def _pack(tmp_path):
    """Pack a notebook of `cells` in an empty folder of its own; returns what the command did."""

    def pack(*cells, options=(), requirements=("six==1.17.0",), run=run_nbslim):
        folder, temporary = tmp_path / "notebook", tmp_path / "tmp"
        folder.mkdir()
        temporary.mkdir()
        notebook = write_notebook(folder / "levels.ipynb", *cells, requirements=requirements)
        result = run(
            "pack", notebook, "--engine", "oci", "--output", tmp_path / "image.tar", "--json", *options,
            variables={"TMPDIR": str(temporary)},
        )  # fmt: skip
        assert list(temporary.iterdir()) == []
        return result

    return pack


def run_with_fault(*arguments, variables):
    command = [sys.executable, "-c", FAULT, *map(str, arguments), "--no-cache"]
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE), **variables}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def receipt(result):
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def rungs(told):
    return [(rung["level"], rung["problem"] is None) for rung in told["ladder"]]


def files(archive):
    """The paths of all files in an image."""
    with tarfile.open(archive) as image:
        manifest = json.load(image.extractfile("manifest.json"))
        for layer in manifest[0]["Layers"]:
            with tarfile.open(fileobj=image.extractfile(layer)) as inside:
                yield from (member.name for member in inside if not member.isdir())


@pytest.fixture(scope="module", name="reader")
def _reader(tmp_path_factory):
    """The folder of a packed notebook whose predictor reads files of its packages."""
    folder = tmp_path_factory.mktemp("reader")
    notebook = write_notebook(folder / "reader.ipynb", READER, SAMPLES, requirements=REQUIREMENTS)
    result = run_nbslim("pack", notebook, "--engine", "oci", "--output", folder / "image.tar", "--json")
    (folder / "receipt").write_text(json.dumps(receipt(result)))
    return folder


@pytest.fixture(name="told")
def _told(reader):
    return json.loads((reader / "receipt").read_text())


def test_modules_is_the_default_and_smaller_than_packages(told):
    assert told["level"] == "modules"
    assert rungs(told) == [("packages", True), ("modules", True)]
    assert (
        told["sizes"]["image"] == told["sizes"]["modules"] < told["sizes"]["packages"] < told["sizes"]["full"]
    )
    assert told["verified"]["equal"] == told["verified"]["samples"] == 5
    assert told["verified"]["requests"] > 40


def test_receipt_says_how_much_of_the_predictor_the_samples_entered(told):
    assert 0 < told["verified"]["lines_entered"] < told["verified"]["lines"]


def test_files_that_serving_reads_are_there_and_others_are_not(reader):
    found = {path for path in files(reader / "image.tar") if path.startswith(("app/lib/", "usr/lib/python3"))}
    assert {f"app/lib/pyfiglet/fonts/{name}.flf" for name in ("slant", "standard")} <= found
    assert "app/lib/six.py" in found
    assert not [path for path in found if path.endswith(("/colorsys.pyc", "/pyfiglet/test.pyc"))]
    sources = {path for path in found if path.endswith(".py")}
    assert sources == {
        "app/lib/six.py",
        "app/lib/pyfiglet/fonts/__init__.py",
    }  # one is shown, one is in a list


def test_data_sources_folders_and_versions_are_what_they_were(reader, tmp_path):
    with serving(reader / "image.tar", tmp_path) as (address, _):
        (status, banner), (_, fonts) = post(address, "data"), post(address, "folder")
        assert (status, banner.count("\n") > 3) == (200, True)
        assert "slant.flf" in fonts
        assert post(address, "source")[1].startswith("def ensure_str(")
        assert post(address, "version") == (200, ["1.17.0", "1.0.2"])
        assert post(address, "text") == (200, "text")
        status, answer = post(address, "error")
        assert (status, "KeyError" in answer["detail"]) == (500, True)


def test_removed_module_that_is_imported_explains_itself_in_log_and_metrics(reader, tmp_path):
    with serving(reader / "image.tar", tmp_path) as (address, process):
        assert [post(address, "module")[0] for _ in range(3)] == [500] * 3
        with urllib.request.urlopen(f"{address}/metrics", timeout=60) as answer:
            assert 'nbslim_removed_imports_total{module="colorsys"} 3\n' in answer.read().decode()
        process.terminate()
        process.wait(60)
        log = process.stderr.read()
    explanation = (
        "nbslim removed the module colorsys (level modules): no replayed sample needed it; "
        "keep it with: nbslim pack --keep colorsys"
    )
    assert log.count(f"WARNING nbslim.runtime: {explanation}; __main__, line ") == 1


def test_module_that_is_to_be_kept_is_there(pack, tmp_path):
    told = receipt(pack(READER, SAMPLES, requirements=REQUIREMENTS, options=["--keep", "colorsys"]))
    assert told["level"] == "modules"
    with serving(tmp_path / "image.tar", tmp_path / "tmp") as (address, _):
        assert post(address, "module") == (200, [0.0, 0.0, 1])


def test_name_to_keep_that_means_nothing_is_a_wrong_argument(pack, tmp_path):
    result = pack(SIX, 'samples = ["a"]', options=["--keep", "colour_sys"])
    assert result.returncode == 2
    assert "nbslim: --keep colour_sys: there is no such module or file" in result.stderr
    assert not (tmp_path / "image.tar").exists()


def test_level_packages_keeps_distributions_and_the_standard_library_whole(pack, tmp_path):
    told = receipt(pack(READER, SAMPLES, requirements=REQUIREMENTS, options=["--level", "packages"]))
    assert rungs(told) == [("packages", True)]
    assert told["experiments"] == []
    found = {path.rpartition(".")[0] for path in files(tmp_path / "image.tar")}
    assert "app/lib/pyfiglet/test" in found
    assert any(path.endswith("/colorsys") for path in found)
    with serving(tmp_path / "image.tar", tmp_path / "tmp") as (address, _):
        assert post(address, "module") == (200, [0.0, 0.0, 1])


def test_rung_in_which_something_needed_is_missing_is_rolled_back(pack, tmp_path):
    told = receipt(pack(SIX, 'samples = ["a", "b"]', run=run_with_fault))
    assert told["level"] == "packages"
    assert rungs(told) == [("packages", True), ("modules", False), ("packages", True)]
    problem = told["ladder"][1]["problem"]
    assert "nbslim removed the module six" in problem
    assert f"level packages instead of modules: {problem}" in told["warnings"]
    assert told["verified"]["equal"] == 2
    with serving(tmp_path / "image.tar", tmp_path / "tmp") as (address, _):
        assert post(address, "c") == (200, "c")


def test_strict_pack_fails_in_place_of_taking_a_safer_level(pack, tmp_path):
    options = ["--level", "modules", "--strict"]
    result = pack(SIX, 'samples = ["a", "b"]', options=options, run=run_with_fault)
    assert (result.returncode, result.stdout) == (6, "")
    [line] = [line for line in result.stderr.splitlines() if line.startswith("nbslim: ")]
    assert line.startswith("nbslim: levels.ipynb: level modules does not hold: ")
    assert "nbslim removed the module six" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notebook", "tmp"]


def test_without_samples_whole_distributions_stay_and_it_says_what_to_add(pack):
    told = receipt(pack(SIX))
    assert (told["level"], rungs(told)) == ("packages", [("packages", True)])
    advice = [warning for warning in told["warnings"] if "define samples = [...]" in warning]
    assert any(warning.startswith("level packages instead of modules: no samples") for warning in advice)


UNWRITTEN = "2 of 3 samples get an answer that cannot be written as JSON"


@pytest.mark.parametrize(
    ("predictor", "samples", "warnings"),
    [
        (
            "return {'set': complex(x)} if x else x",
            "[0, 1, 2]",
            [f"{UNWRITTEN}; the service responds 500, and says of what type it is"],
        ),
        ("return x + 1", "['a', 'b', None]", ["no sample gets an answer: 3 raise TypeError"]),
        ("return x + 1", "[1, 'b']", []),
    ],
    ids=["unwritten", "all raise", "one raises"],
)
def test_samples_that_get_no_answer_are_warned_of(predictor, samples, warnings, pack):
    told = receipt(pack(f"def predictor(x):\n    {predictor}", f"samples = {samples}"))
    assert told["warnings"] == warnings


def test_without_samples_a_strict_pack_fails(pack, tmp_path):
    result = pack(SIX, options=["--strict"])
    assert result.returncode == 6
    assert "define samples = [...]" in result.stderr
    assert not (tmp_path / "image.tar").exists()


def test_samples_in_a_file_prove_as_those_of_the_notebook_do(pack, tmp_path):
    (tmp_path / "more.jsonl").write_text('"one"\n\n"two"\n')
    told = receipt(pack(SIX, options=["--samples", tmp_path / "more.jsonl"]))
    assert told["level"] == "modules"
    assert (told["verified"]["samples"], told["verified"]["equal"]) == (2, 2)


def test_line_of_a_samples_file_that_is_no_json_is_named_before_anything_runs(pack, tmp_path):
    (tmp_path / "more.jsonl").write_text('"one"\ntwo\n')
    result = pack(SIX, options=["--samples", tmp_path / "more.jsonl"])
    assert result.returncode == 2
    assert f"nbslim: --samples {tmp_path}/more.jsonl, line 2: not JSON" in result.stderr
    assert "cells:" not in result.stderr
