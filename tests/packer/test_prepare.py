"""`nbslim analyze`: in an environment that is there, or in none at all."""

import io
import json
import subprocess
import sys

import pytest
from nbslim.analyzer import Requirements
from nbslim.packer.cli import main
from nbslim.packer.environments import Environment
from nbslim.packer.prepare import installed_in
from nbslim.packer.pythons import Python
from support import NBSLIM

CELLS = [
    'requirements = [["numpy", "2.1.0"], ["scikit-learn"], ["matplotlib"]]',
    "import numpy as np\nfrom sklearn.svm import SVC\nimport matplotlib.pyplot as plt",
    "model = SVC().fit([[0], [1]], [0, 1])\nplt.plot([1])",
    "def predictor(x):\n    return model.predict(x)",
    "def plain(x):\n    return np.sum(x)",
]


@pytest.fixture
def write(tmp_path):
    def write(sources):
        cells = [{"cell_type": "code", "source": source, "metadata": {}} for source in sources]
        path = tmp_path / "model.ipynb"
        path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}))
        return path

    return write


@pytest.fixture
def notebook(write):
    return write(CELLS)


@pytest.fixture
def site_packages(tmp_path):
    """An environment of two distributions, as an installer leaves it."""
    site = tmp_path / "env/lib/python3.12/site-packages"
    for name, module, needs in [("numpy", "numpy", ""), ("scikit-learn", "sklearn", "numpy")]:
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (site / module).mkdir()
        (site / module / "__init__.py").write_text("x = 1\n")
        requires = f"Requires-Dist: {needs}\n" if needs else ""
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n{requires}\n")
        (info / "RECORD").write_text(f"{module}/__init__.py,,\n")
    return site


@pytest.fixture
def analyze():
    def analyze(*arguments):
        out, err = io.StringIO(), io.StringIO()
        code = main(["analyze", "--json", *map(str, arguments)], stdout=out, stderr=err)
        return json.loads(out.getvalue()) if code == 0 else (code, err.getvalue())

    return analyze


def test_existing_environment_is_taken_as_it_is(analyze, notebook, site_packages):
    found = analyze(notebook, "--env", site_packages.parents[2])
    assert found["python"] == "3.12"
    assert [(one["name"], one["version"], one["bytes"]) for one in found["serving"]] == [
        ("numpy", "1.0", 6),
        ("scikit-learn", "1.0", 6),
    ]


def test_folder_without_an_environment_ends_with_exit_code_4(analyze, notebook, tmp_path):
    code, said = analyze(notebook, "--env", tmp_path / "nowhere")
    assert code == 4
    assert "nowhere: there is no such environment" in said


def test_names_alone_are_told_offline_and_said_to_be(analyze, notebook):
    found = analyze(notebook, "--offline")
    assert [(d["name"], d["version"], d["bytes"]) for d in found["serving"]] == [("scikit-learn", "", 0)]
    assert [dropped["name"] for dropped in found["dropped"]] == ["matplotlib", "numpy"]
    assert "nothing is installed" in found["warnings"][-1]


def test_what_is_not_pinned_is_a_requirement_without_a_version(notebook):
    out = io.StringIO()
    main(["analyze", str(notebook), "--offline", "--format", "requirements"], stdout=out)
    assert out.getvalue() == "scikit-learn\n"


def test_offline_and_environment_exclude_each_other(analyze, notebook, tmp_path, capsys):
    assert analyze(notebook, "--offline", "--env", tmp_path) == (2, "")
    assert "not allowed with" in capsys.readouterr().err


def test_any_functions_can_be_entry_points(analyze, notebook):
    found = analyze(notebook, "--offline", "--entry", "plain")
    assert list(found["entry_points"]) == ["plain"]
    assert [kept["name"] for kept in found["serving"]] == ["numpy"]
    both = analyze(notebook, "--offline", "--entry", "plain", "--entry", "predictor")
    assert [kept["name"] for kept in both["serving"]] == ["numpy", "scikit-learn"]


@pytest.mark.parametrize("entries", [["plane"], ["plain", "plane"]])
def test_entry_that_no_cell_defines_is_an_error_that_names_what_looks_like_it(analyze, notebook, entries):
    code, said = analyze(notebook, "--offline", *(f"--entry={name}" for name in entries))
    assert code == 3
    assert "no cell defines plane" in said
    assert "plain (cell 5, line 1) looks like it" in said


def test_import_that_works_in_the_environment_is_the_one_that_counts(analyze, write, site_packages):
    fallback = "try:\n    import {} as np\nexcept ImportError:\n    import {} as np"
    predictor = "def predictor(x):\n    return np.sum(x)"
    for first, second in [("numpy", "sklearn"), ("gone", "numpy")]:
        notebook = write([fallback.format(first, second), predictor])
        found = analyze(notebook, "--env", site_packages)
        assert [(kept["name"], kept["certainty"]) for kept in found["serving"]] == [("numpy", "certain")]


def test_distribution_whose_version_is_read_is_known_by_its_name_alone(analyze, write):
    cells = [
        "from importlib.metadata import version",
        "def predictor(x):\n    return version('scikit-learn')",
    ]
    (kept,) = analyze(write(cells), "--offline")["serving"]
    assert (kept["name"], kept["imports"], kept["direct"]) == ("scikit-learn", ["sklearn"], True)


def test_analysis_loads_nothing_that_only_running_a_notebook_needs(notebook, site_packages):
    code = f"""
import sys
from nbslim.packer.cli import main
main(["analyze", {str(notebook)!r}, "--env", {str(site_packages)!r}])
heavy = {{"nbclient", "jupyter_client", "tqdm", "waitress", "falcon", "elftools", "nbformat", "IPython"}}
print(sorted(heavy & sys.modules.keys()))
"""
    said = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert said.splitlines()[-1] == "[]"


@pytest.mark.parametrize("declared", ["numpy", "scikit-learn"])
def test_module_that_two_distributions_install_is_the_declared_ones(site_packages, declared):
    for record in site_packages.glob("*/RECORD"):
        record.write_text("shared/__init__.py,,\n")
    environment = Environment(Python("3.12.1", site_packages, site_packages), site_packages.parents[2], ())
    assert installed_in(environment, Requirements((declared,), "cell 1")).owner("shared") == declared


@pytest.mark.parametrize("form", ["text", "json"])
def test_reader_that_stops_early_gets_no_traceback(write, form):
    # More than a pipe holds, so that the reader is gone before all is written.
    imports = "\n".join(f"import module_{number}" for number in range(5000))
    path = write([imports, "def predictor(x):\n    return x"])
    command = [NBSLIM, "analyze", path, "--offline", "--format", form]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        running.stdout.read(1)
        running.stdout.close()
        said = running.stderr.read()
    assert (running.returncode, said) == (141, b"")
