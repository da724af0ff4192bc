"""`nbslim serve NOTEBOOK` runs a notebook once and serves it in its full environment; every variable reaches it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
from nbslim.runtime.settings import variables
from notebooks import write_notebook
from support import CACHE, free_port, needs_buildah, post, run_nbslim, serving, until

COUNTED = """
import os, pathlib
runs = pathlib.Path(os.environ["RUNS"])
runs.write_text(runs.read_text() + "x")
"""
SERVED = """
import importlib, multiprocessing
import beside
requirements = []
samples = ["json", "helpers/offset.txt"]

def predictor(x):
    if x == "fork":
        multiprocessing.get_context("fork").Process(target=importlib.import_module("time").sleep, args=(600,)).start()
    if x.endswith(".txt"):
        return int(open("helpers/offset.txt").read()) + beside.one()
    return importlib.import_module(x).__name__
"""


class Project:
    """A notebook with a module and a data file beside it, whose runs are counted."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.temporary, self.runs = folder / "project", folder / "tmp", folder / "runs.txt"
        for made in (self.folder, self.temporary, self.folder / "helpers"):
            made.mkdir()
        (self.folder / "beside.py").write_text("def one():\n    import later\n    return later.ONE\n")
        (self.folder / "later.py").write_text("ONE = 1\n")
        (self.folder / "helpers/offset.txt").write_text("41")
        (self.folder / "unread.csv").write_text("1,2\n")
        self.runs.touch()
        self.notebook = write_notebook(self.folder / "counted.ipynb", COUNTED, SERVED)
        self.options = ["--engine", "oci", "-e", f"RUNS={self.runs}"]

    def serving(self, *arguments: object, **environment: str):
        return serving(self.notebook, self.temporary, *self.options, *arguments, **environment)

    def pack(self) -> dict:
        output, bundle = self.temporary.with_name("image.tar"), self.temporary.with_name("bundle")
        result = run_nbslim(
            "pack", self.notebook, *self.options, "--json", "--output", output, "--bundle", bundle
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    @property
    def count(self) -> int:
        return len(self.runs.read_text())


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def left_behind(project: Project) -> list[Path]:
    return [*project.temporary.iterdir(), *(CACHE / "packs").iterdir()]


def children(pid: int) -> set[int]:
    """Return the processes that `pid` has started, whichever of its threads did."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for thread in threads for child in (thread / "children").read_text().split()}


def alive(pids: set[int]) -> set[int]:
    return {pid for pid in pids if not is_gone(pid)}


def is_gone(pid: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # before or while it is read
        return True


def test_a_notebook_is_served_in_its_full_environment(project):
    with project.serving() as (address, process):
        assert post(address, "json") == (200, "json")
        assert post(address, "helpers/offset.txt") == (200, 42)
        assert post(address, "wsgiref.util") == (
            200,
            "wsgiref.util",
        )  # no sample, and an image would not have it
        assert [path.name for path in project.folder.iterdir() if path.name == "__pycache__"] == []
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert left_behind(project) == []


def test_what_was_run_is_not_run_again_by_serve_or_pack(project):
    for _ in range(2):
        with project.serving() as (address, _):
            assert post(address, "helpers/offset.txt") == (200, 42)
    receipt = project.pack()
    assert project.count == 1
    assert receipt["cached"]["notebook"]
    assert [rung["problem"] for rung in receipt["ladder"]] == [None, None]
    assert min(rung["requests"] for rung in receipt["ladder"]) >= 40
    with project.serving() as (address, _):
        assert post(address, "helpers/offset.txt") == (200, 42)
    assert project.count == 1
    with project.serving("--no-cache") as (address, _):
        assert post(address, "helpers/offset.txt") == (200, 42)
    assert project.count == 2


def test_another_sample_runs_the_notebook_again_and_is_tried(project, tmp_path):
    (tmp_path / "samples.jsonl").write_text('"json.tool"\n')
    with project.serving() as (address, _), project.serving("--samples", tmp_path / "samples.jsonl"):
        assert post(address, "json") == (200, "json")
    assert project.count == 2


@needs_buildah
def test_cells_run_in_a_container_where_buildah_is(project):
    (project.folder / "beside.py").write_text("import os\n\ndef one(place=os.getcwd()):\n    return 1\n")
    project.runs.rename(project.folder / "runs.txt")
    options = ["--engine", "buildah", "-e", "RUNS=runs.txt"]
    with serving(project.notebook, project.temporary, *options) as (address, _):
        assert post(address, "helpers/offset.txt") == (200, 42)
    assert left_behind(project) == []


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The notebook, its bundle and its archive, with the options that serve them."""
    project = Project(tmp_path_factory.mktemp("sources"))
    project.pack()
    folder = project.temporary.parent
    return {
        "notebook": (project.notebook, project.options),
        "bundle": (folder / "bundle", []),
        "archive": (folder / "image.tar", []),
    }


@pytest.mark.parametrize("kind", ["notebook", "bundle", "archive"])
def test_variables_reach_the_service_and_its_workers_end_with_it(kind, sources, tmp_path, capfd):
    source, options = sources[kind]
    given = {
        "NBSLIM_WORKERS": "2",
        "NBSLIM_MAX_BODY": "20",
        "NBSLIM_ACCESS_LOG": "off",
        "NBSLIM_HOST": "127.0.0.1",
    }
    with serving(source, tmp_path, *options, **given) as (address, process):
        assert post(address, "json") == (200, "json")
        assert post(address, "j" * 20)[0] == 413
        (server,) = children(process.pid)
        workers = children(server)
        assert len(workers) == 2
        process.terminate()
        assert process.wait(60) == 0
    until(lambda: not alive({server, *workers}))
    assert capfd.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_killed_takes_its_workers_along(project):
    with project.serving(NBSLIM_WORKERS="2") as (address, process):
        assert post(address, "json") == (200, "json")
        (server,) = children(process.pid)
        workers = children(server)
        os.kill(server, signal.SIGKILL)
        assert process.wait(60) == 5
    until(lambda: not alive(workers))
    assert left_behind(project) == []


@pytest.mark.parametrize("signals", [1, 2])
def test_what_a_predictor_forked_ends_with_the_server(signals, project):
    with project.serving(NBSLIM_STOP_TIMEOUT="1" if signals == 1 else "600") as (address, process):
        post(address, "fork")
        (server,) = children(process.pid)
        forked = children(server)
        assert len(forked) == 1
        for number in (signal.SIGTERM, signal.SIGINT)[:signals]:
            process.send_signal(number)
            time.sleep(0.5)
        assert process.wait(60) == 0
    until(lambda: not alive({server, *forked}))


def test_what_a_killed_serve_left_is_reaped_by_the_next(project):
    with project.serving() as (_, process):
        below = children(process.pid)
        process.kill()
        process.wait()
        assert alive(below) == below
        with project.serving():
            until(lambda: not alive(below))
    assert list((CACHE / "packs").iterdir()) == []


def refused(project: Project, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["serve", project.notebook, *project.options, *arguments]
    result = run_nbslim(*command, variables={"TMPDIR": str(project.temporary), **environment}, timeout=60)
    assert project.count == 0
    assert left_behind(project) == []
    return result


def test_nothing_is_run_where_the_port_is_taken(project):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        result = refused(project, PORT=port, NBSLIM_HOST="127.0.0.1")
    assert result.returncode == 5
    assert (
        result.stderr.splitlines()[0]
        == f"nbslim: port {port} of 127.0.0.1 cannot be listened on: Address already in use"
    )


def test_nothing_is_run_where_a_variable_is_wrong(project):
    result = refused(project, NBSLIM_WORKERS="none", PORT=str(free_port()))
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith(
        "NBSLIM_WORKERS must be a whole number from 1 to 256, not 'none'"
    )


def test_options_that_run_a_notebook_are_for_notebooks_alone(tmp_path):
    result = run_nbslim("serve", tmp_path, "--timeout", "3")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].endswith(
        f"{tmp_path} is no notebook: of the options, only --port is for it"
    )


def test_help_names_all_variables():
    text = run_nbslim("serve", "--help").stdout
    assert all(f"  {variable.name}={variable.default} " in text for variable in variables())
