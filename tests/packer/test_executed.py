"""`nbslim analyze --execute` runs the notebook and tells only what its pickle holds."""

import json
import os
import signal
import subprocess
import time

import pytest
from nbslim.packer.pythons import find_python
from notebooks import write_notebook
from support import CACHE, NBSLIM
from uv import find_uv_bin

POSSIBLE = "import attr, packaging.version\nlimit = attr.asdict(attr.make_class('C', ['x'])(3))"
PREDICTOR = "def predictor(x):\n    return packaging.version.parse(x).major + limit['x']"
REQUIRES = ("attrs", "packaging")


@pytest.fixture
def analyzed(tmp_path, nbslim):
    """Analyze a notebook of these cells by running it; returns the finished command."""

    def analyzed(
        *cells,
        requirements=REQUIRES,
        arguments=("--json",),
    ):
        path = write_notebook(tmp_path / "model.ipynb", *cells, requirements=requirements)
        return nbslim("analyze", path, "--execute", *arguments)

    return analyzed


def serving(result):
    assert result.returncode == 0, result.stderr
    return {entry["name"]: entry for entry in json.loads(result.stdout)["serving"]}


def test_what_the_pickle_does_not_hold_is_gone_and_the_rest_is_certain(analyzed, tmp_path, nbslim):
    found = serving(analyzed(POSSIBLE, PREDICTOR))
    assert {name: entry["certainty"] for name, entry in found.items()} == {"packaging": "certain"}
    static = serving(nbslim("analyze", tmp_path / "model.ipynb", "--json"))
    assert static["attrs"]["certainty"] == "possible"


def test_nothing_is_scored(analyzed):
    result = analyzed("samples = [1]", "def predictor(x):\n    raise SystemExit(x)\n", requirements=())
    assert serving(result) == {}


def test_nothing_is_left_behind(analyzed, tmp_path):
    cell = "open('written.txt', 'w').write('x')"
    serving(analyzed(cell, "def predictor(x): return x", requirements=()))
    assert [path.name for path in tmp_path.iterdir()] == ["model.ipynb"]
    assert list((CACHE / "packs").iterdir()) == []


@pytest.mark.parametrize(
    ("cell", "code", "said"),
    [
        ("def predictor(x): return x\n1 / 0", 4, "cell 2, line 2: ZeroDivisionError"),
        ("def predictor(x) return x", 3, "cell 2, line 1"),
        ("predictor = 1", 4, "predictor is not callable"),
        ("while True: pass\ndef predictor(x): return x", 4, "not done after 1 s"),
    ],
)
def test_failures_have_the_exit_codes_of_pack(analyzed, cell, code, said):
    result = analyzed(cell, requirements=(), arguments=("--timeout", 1))
    assert result.returncode == code
    assert said in result.stderr
    assert result.stdout == ""


def test_cells_see_variables_and_no_network(analyzed):
    cell = "import os, socket\nassert os.environ['TOKEN'] == 't'\nassert len(socket.if_nameindex()) == 1"
    arguments = ("--json", "-e", "TOKEN=t", "--no-network")
    assert serving(analyzed(cell, "def predictor(x): return x", requirements=(), arguments=arguments)) == {}


def test_settings_of_a_run_are_refused_without_one(tmp_path, nbslim):
    path = write_notebook(tmp_path / "model.ipynb", "def predictor(x): return x")
    result = nbslim("analyze", path, "--timeout", 3)
    assert result.returncode == 2
    assert "--execute" in result.stderr


def test_interrupted_it_ends_with_130_and_leaves_nothing(tmp_path):
    started = tmp_path / "started"
    cell = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(600)"
    path = write_notebook(tmp_path / "model.ipynb", cell, "def predictor(x): return x")
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE)}
    command = [NBSLIM, "analyze", path, "--execute"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        for _ in range(1200):
            if started.exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode == 130
    assert list((CACHE / "packs").iterdir()) == []


REFERS = {
    "a cached predictor": (
        ["import functools\n\n@functools.lru_cache\ndef predictor(x): return x"],
        ["cell 2, line 4: predictor", "lru_cache"],
    ),
    "a cached helper": (
        [
            "from functools import cache\n@cache\ndef helper(x): return x",
            "def predictor(x): return helper(x)",
        ],
        ["cell 2, line 3: predictor → helper", "lru_cache"],
    ),
    "a class inside a pickle inside an object": (
        [
            "import pickle\nclass Net: pass\nclass Model: pass\nmodel = Model()\nmodel.net_ = pickle.dumps(Net())",
            "def predictor(x): return model",
        ],
        ["cell 2, line 2: predictor → model → .net_", "define Net in a module"],
    ),
    "a class in a file that is opened when serving": (
        [
            "import pickle\nclass Net: pass\npickle.dump(Net(), open('m.pkl', 'wb'))",
            "def predictor(x): return pickle.load(open('m.pkl', 'rb'))",
        ],
        ["cell 2, line 2: m.pkl", "define Net in a module"],
    ),
}


@pytest.mark.parametrize("kind", REFERS)
def test_what_refers_to_the_notebook_by_name_is_refused_with_its_place(analyzed, kind):
    cells, said = REFERS[kind]
    result = analyzed(*cells, requirements=())
    assert result.returncode == 4
    assert [text for text in said if text not in result.stderr] == []


def test_what_a_model_file_names_is_kept(analyzed):
    cells = [
        "import pickle, attr, packaging.version\npickle.dump(packaging.version.parse('3'), open('v.pkl', 'wb'))",
        "def predictor(x):\n    with open('v.pkl', 'rb') as file:\n        return pickle.load(file).major",
    ]
    found = serving(analyzed(*cells))
    assert list(found) == ["packaging"]
    assert found["packaging"]["direct"]


def test_any_functions_are_entry_points(analyzed):
    cell = "import attr, packaging.version\ndef f(x): return attr\ndef g(x): return packaging.version"
    found = serving(analyzed(cell, "f(1)", arguments=("--json", "--entry", "f", "--entry", "g")))
    assert set(found) == {"attrs", "packaging"}
    assert set(serving(analyzed(cell, arguments=("--json", "--entry", "g")))) == {"packaging"}


def uv(*arguments):
    subprocess.run([find_uv_bin(), *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def own_environment(tmp_path_factory):
    """Make an environment as a user does, with the distributions given."""

    def own_environment(*distributions):
        folder = tmp_path_factory.mktemp("environment") / "venv"
        uv("venv", "--no-project", "--python", find_python("3.11").executable, folder)
        uv("pip", "install", "--python", folder, *distributions)
        return folder

    return own_environment


@pytest.mark.parametrize("path", [".", "bin/python", "lib/python3.11/site-packages"])
def test_notebook_runs_in_the_environment_that_is_named(analyzed, own_environment, path):
    folder = own_environment("ipykernel", *REQUIRES)
    result = analyzed(f"import sys\nassert sys.prefix == {str(folder)!r}", POSSIBLE, PREDICTOR, requirements=(),
                      arguments=("--json", "--env", folder / path))  # fmt: skip
    assert set(serving(result)) == {"packaging"}


def test_environment_without_a_kernel_is_told_what_to_install(analyzed, own_environment):
    folder = own_environment("packaging")
    result = analyzed("def predictor(x): return x", arguments=("--env", folder))
    assert result.returncode == 4
    assert "ipykernel is not installed" in result.stderr
    assert f"{folder}/bin/python -m pip install ipykernel" in result.stderr
