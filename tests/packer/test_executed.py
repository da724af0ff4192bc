"""`nbslim analyze --execute` runs the notebook and tells only what its pickle holds."""

import json
import os
import signal
import subprocess
import time

import pytest
from notebooks import write_notebook
from support import CACHE, NBSLIM

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
        process.wait(30)
    assert process.returncode == 130
    assert list((CACHE / "packs").iterdir()) == []
