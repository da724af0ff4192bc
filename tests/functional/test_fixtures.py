"""Every example folder is well formed; a new case is a new folder."""

import ast
import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FIXTURES = [folder for folder in sorted((ROOT / "fixtures").iterdir()) if folder.is_dir()]
CASES = [*FIXTURES, *(path.parent for path in sorted(ROOT.glob("tests/notebooks/*/expect.toml")))]


@pytest.fixture(params=CASES, ids=lambda folder: folder.name)
def case(request):
    return request.param


@pytest.fixture
def notebook(case):
    return nbformat.read(case / "notebook.ipynb", as_version=nbformat.NO_CONVERT)


@pytest.fixture
def expect(case):
    return tomllib.loads((case / "expect.toml").read_text())


@pytest.fixture
def code(notebook):
    """Sources of the code cells, magics left out."""
    cells = (cell.source for cell in notebook.cells if cell.cell_type == "code")
    return [re.sub(r"^%.*$", "", source, flags=re.MULTILINE) for source in cells]


def assigned(code, name):
    """Value of the literal that the notebook assigns to `name`, or None."""
    for node in ast.parse("\n".join(code)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.literal_eval(node.value)
    return None


def test_the_six_stories_are_there():
    told = {"kmeans", "iris_report", "centers_only", "rules", "boosted", "text"}
    assert told <= {folder.name for folder in FIXTURES}


def test_notebook_is_valid(notebook):
    nbformat.validate(notebook)


def test_notebook_carries_no_outputs(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_notebook_tells_its_story_first(notebook):
    assert notebook.cells[0].cell_type == "markdown"


def test_notebook_names_the_expected_python(notebook, expect):
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info.version == expect["python"]


def test_expectation_begins_with_why_the_case_exists(case):
    assert re.match(r'about = "[A-Z].+\."\n', (case / "expect.toml").read_text())


def test_requirements_are_exact_pins(code):
    pins = assigned(code, "requirements")
    assert pins
    assert all(re.fullmatch(r"\d+(\.\d+)+", version) for _, version in pins)


def test_entry_points_are_defined(code):
    defined = {node.name for node in ast.parse("\n".join(code)).body if isinstance(node, ast.FunctionDef)}
    assert {"predictor", "validator"} <= defined


def test_samples_are_json_and_counted(code, expect):
    samples = assigned(code, "samples")
    if samples is None:
        pytest.skip("the notebook's own calls are the samples")
    assert len(samples) == expect["samples"]
    assert json.loads(json.dumps(samples)) == samples


def test_distribution_names_are_normal_and_sorted(expect):
    for names in expect["serving"].values():
        assert names == sorted(re.sub(r"[-_.]+", "-", name).lower() for name in names)


def test_nothing_is_both_served_and_absent(expect):
    serving = expect["serving"]
    assert not {*serving["direct"], *serving["required"]} & set(serving["absent"])


def test_direct_distributions_are_declared(code, expect):
    declared = {name for name, _ in assigned(code, "requirements")}
    assert set(expect["serving"]["direct"]) <= declared


def test_local_files_exist(case, expect):
    assert all((case / name).is_file() for name in expect.get("local_files", []))
