"""What serving needs besides modules, with the place where code names it."""

import pytest
from cells import notebook_of
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.types import Place


@pytest.fixture
def closure(tmp_path):
    def closure(*cells):
        return find_closure(notebook_of(*cells, folder=tmp_path))

    return closure


FILES = {
    # what a served function does: the file that it opens
    "open('prices.csv')": "prices.csv",
    "open('LICENSE')": "LICENSE",
    "lib.read_csv('data/prices.csv')": "data/prices.csv",
    "lib.load(PATH)": "model.joblib",
    "open(os.path.join(FOLDER, 'a.txt'))": "data/a.txt",
    "lib.load(str(Path('data') / 'a.npy'))": "data/a.npy",
    "lib.load(f'{FOLDER}/a.npy')": "data/a.npy",
    "lib.load('%s/a.npy' % FOLDER)": "data/a.npy",
    "lib.load('{}/a.npy'.format(FOLDER))": "data/a.npy",
}


@pytest.mark.parametrize("code", FILES)
def test_file_that_serving_opens_is_named(code, closure):
    head = "import os, lib\nfrom pathlib import Path\nPATH = 'model.joblib'\nFOLDER = 'data'"
    found = closure(head, f"def predictor(x):\n    return {code}").files
    assert (FILES[code], Place(2, 2), "certain") in {(n.name, n.place, n.certainty) for n in found}


@pytest.mark.parametrize(
    "code", ["open(x)", "open('out.txt', 'w')", "lib.loads('a.b')", "lib.read_csv('https://host/a.csv')"]
)
def test_what_is_no_file_of_the_notebook_is_not_named(code, closure):
    assert closure("import lib", f"def predictor(x): return {code}").files == ()


def test_file_that_only_training_reads_is_not_named(closure):
    found = closure(
        "import lib\nmodel = lib.fit(lib.read_csv('train.csv'))", "def predictor(x): return model(x)"
    )
    assert found.files == ()


PROGRAMS = {
    "subprocess.run(['dot', '-V'])": "dot",
    "subprocess.check_output('dot -V', shell=True)": "dot",
    "os.system('dot -V')": "dot",
    "shutil.which('dot')": "dot",
    "run(['dot'])": "dot",
}


@pytest.mark.parametrize("code", PROGRAMS)
def test_program_that_serving_starts_is_named(code, closure):
    found = closure(
        "import os, shutil, subprocess\nfrom subprocess import run", f"def predictor(x): return {code}"
    )
    assert [(need.name, need.place) for need in found.programs] == [("dot", Place(2, 1))]


def test_function_that_only_is_called_like_one_that_starts_programs_starts_none(closure):
    assert closure("def run(x): return x", "def predictor(x): return run(['dot'])").programs == ()


@pytest.mark.parametrize(
    ("head", "code"),
    [
        ("import importlib.metadata", "importlib.metadata.version('PyYAML')"),
        ("import importlib.metadata as md", "md.distribution('PyYAML')"),
        ("from importlib.metadata import version as v, requires", "requires('PyYAML')"),
        ("import pkg_resources", "pkg_resources.get_distribution('PyYAML')"),
    ],
)
def test_distribution_whose_metadata_serving_reads_is_named(head, code, closure):
    found = closure(head, f"def predictor(x): return {code}")
    assert [need.name for need in found.metadata] == ["PyYAML"]


def test_group_of_entry_points_that_serving_looks_up_is_named(closure):
    head = "from importlib.metadata import entry_points"
    found = closure(head, "def predictor(x): return entry_points(group='plugins')")
    assert [need.name for need in found.entry_point_groups] == ["plugins"]


@pytest.mark.parametrize(
    "code", ["os.environ['A']", "os.environ.get('A', 1)", "os.getenv('A')", "os.environ[NAME]"]
)
def test_variable_that_serving_reads_is_named(code, closure):
    found = closure("import os\nNAME = 'A'", f"def predictor(x): return {code}")
    assert [(need.name, need.place.cell) for need in found.environment_variables] == [("A", 2)]


def test_what_cannot_be_followed_is_told_with_its_place(closure):
    found = closure("def predictor(x):\n    y = 1\n    return eval(x)")
    assert [(need.name, need.place) for need in found.opaque] == [("eval()", Place(1, 3))]


def test_cell_that_may_bind_any_name_is_told_whether_serving_reaches_it_or_not(closure):
    found = closure("code = input()\nexec(code)", "def predictor(x): return x")
    assert [(need.name, need.place, need.certainty) for need in found.opaque] == [
        ("exec()", Place(1, 2), "possible")
    ]


def test_module_on_a_path_that_cells_add_to_is_a_local_file(closure, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/helper.py").write_text("import numpy")
    found = closure(
        "import os, sys\nsys.path.insert(0, os.path.join(os.getcwd(), 'src'))\nimport helper",
        "predictor = helper.f",
    )
    assert found.local_files == ("src/helper.py",)
    assert "numpy" in {needed.module for needed in found.imports}
