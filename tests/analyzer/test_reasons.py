from pathlib import Path

import pytest
from nbslim.analyzer.analysis import analyze
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.metadata import Distribution
from nbslim.analyzer.settle import settle
from nbslim.analyzer.types import Cell, Notebook, Place, Requirements

PREDICTOR = "def predictor(x):\n    return x"


def installed(**requires):
    """Name distributions with what each requires; each provides the module of its name."""
    found = {
        name: Distribution(name, "1.0", Path("/nowhere"), (f"{name}/__init__.py",), tuple(needs))
        for name, needs in requires.items()
    }
    return Installed(found, "3.11")


@pytest.fixture
def analysis(tmp_path):
    def analysis(cells, environment, *, specifiers=(), source="requirements.txt", modules=None):
        numbered = tuple(Cell(number, text, text) for number, text in enumerate(cells, 1))
        notebook = Notebook(tmp_path / "model.ipynb", numbered, None)
        closure = find_closure(notebook)
        settled = closure if modules is None else settle(closure, modules)
        declared = Requirements(tuple(specifiers), source)
        return analyze(notebook, settled, environment, python="3.11", requirements=declared, before=closure)

    return analysis


@pytest.fixture
def reasons(analysis):
    def reasons(*arguments, **more):
        return {dropped.name: dropped.reason for dropped in analysis(*arguments, **more).dropped}

    return reasons


def test_import_that_serving_does_not_reach_is_told_with_its_first_place(analysis):
    cells = ["import a.x\nfrom b import c", "def plot():\n    import a", PREDICTOR]
    first, second = analysis(cells, installed(a=[], b=[])).dropped
    assert first.reason == "imported (cell 1, line 1), but nothing that serving reaches uses it"
    assert (first.imports, second.imports) == (("a",), ("b",))
    assert "cell 1, line 2" in second.reason


def test_what_execution_refuted_is_told_as_such(reasons):
    cells = ["import a, b", "model = a.fit(b.read())", "def predictor(x):\n    return model(x)"]
    assert reasons(cells, installed(a=[], b=[]), modules=["a"]) == {
        "b": "only a value's history names it (cell 1, line 1), and the value itself does not hold it"
    }
    assert reasons(cells, installed(a=[], b=[])) == {}


def test_declared_without_an_import_is_told_with_where(reasons):
    said = reasons([PREDICTOR], installed(a=[]), specifiers=["A>=1"], source="cell 7")
    assert said == {"a": "declared (cell 7), but no cell imports it"}


def test_requirement_of_dropped_ones_names_them(reasons):
    environment = installed(a=["c"], b=["c", 'd; extra == "fast"'], c=[], d=[])
    said = reasons([PREDICTOR], environment, specifiers=["b[fast]"])
    assert said["c"] == "required only by a, b"
    assert said["d"] == "required only by b"


def test_kernel_brings_what_nothing_else_requires(reasons):
    environment = installed(
        ipykernel=["ipython", "shared", "comm"],
        ipython=["jedi"],
        jedi=["ipython"],
        comm=[],
        shared=[],
        lab=["shared"],
    )
    said = reasons([PREDICTOR], environment)
    brought = "brought by Jupyter's kernel"
    assert {name for name, reason in said.items() if reason == brought} == {"ipykernel", "comm"} | {
        "ipython", "jedi"
    }  # fmt: skip
    assert said["shared"] == "required only by ipykernel, lab"


def test_what_nothing_mentions_says_so(reasons):
    assert reasons([PREDICTOR], installed(a=[])) == {"a": "installed, and mentioned nowhere"}


def test_every_import_of_every_cell_is_accounted_for(analysis, tmp_path):
    (tmp_path / "helpers.py").write_text("from . import more\nimport numpy")
    (tmp_path / "more.py").write_text("def late():\n    import b.deep")
    cells = [
        "import os, a.x\nimport helpers\nfrom b import y",
        "try:\n    import fast\nexcept ImportError:\n    pass\nimport google.cloud",
        "def predictor(x):\n    import b\n    return b.z(x)",
    ]
    environment = installed(a=[], b=[])
    clouds = {name: Distribution(name, "1", Path(), (f"google/cloud/{name}/x.py",), ()) for name in "cd"}
    found = analysis(cells, Installed({**environment.distributions, **clouds}, "3.11"))
    assert [(one.module, one.place, one.kind, one.distribution) for one in found.imports] == [
        ("a.x", Place(1, 1), "distribution", "a"),
        ("os", Place(1, 1), "standard", None),
        ("b.deep", Place(1, 2), "distribution", "b"),
        ("helpers", Place(1, 2), "local", None),
        ("numpy", Place(1, 2), "missing", None),
        ("b.y", Place(1, 3), "distribution", "b"),
        ("fast", Place(2, 2), "missing", None),
        ("google.cloud", Place(2, 5), "namespace", None),
        ("b", Place(3, 2), "distribution", "b"),
    ]
    told = {one.name for one in (*found.serving, *found.dropped)}
    assert {one.distribution for one in found.imports if one.distribution} <= told
