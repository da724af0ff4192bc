"""A recorder notes what a process enters, opens, lists and asks for, and whose the code is, on every Python."""

import json
import subprocess

import pytest
from guests import guest_pythons
from support import ROOT

PROGRAM = """
import json, os, sys
from nbslim.packer.inside_trace import Recorder

recorder = Recorder("/no/such/modules/")
recorder.start()
import user
recorder.trace()
user.both(True)
recorder.stop()
open(sys.argv[1] + "/later.txt").close()
code = [(one.co_name, module, package) for one, module, package in recorder.entered]
found = {name: sorted(getattr(recorder, name)) for name in ("opened", "listed")}
asked = {name: sorted(who) for name, who in recorder.importers.items()}
lines = {name: sorted(lines) for name, lines in recorder.lines.items()}
print(json.dumps({**found, "code": code, "asked": asked, "lines": lines}))
"""
USER = """
import os
import helper
here = os.path.dirname(__file__)

def while_loading():
    pass

while_loading()

def both(x):
    open(os.path.join(here, "data.txt")).close()
    os.listdir(os.path.join(here, "folder"))
    try:
        import not_there
    except ImportError:
        pass
    import threading
    one = threading.Thread(target=in_a_thread)
    one.start()
    one.join()
    exec(compile("def f(x):\\n    if x:\\n        return 1\\n    return 2\\nf(True)", "<cell 3>", "exec"), {})

def in_a_thread():
    import late

def never():
    open("never")
"""


@pytest.fixture(scope="module", name="site")
def _site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "user.py").write_text(USER)
    for name in ("helper.py", "late.py", "data.txt", "later.txt"):
        (folder / name).touch()
    (folder / "folder").mkdir()
    (folder / "nbslim").symlink_to(ROOT / "build/src/nbslim")
    return folder


@pytest.fixture(scope="module", name="noted", params=guest_pythons())
def _noted(request, site):
    command = [request.param, "-S", "-B", "-c", PROGRAM, str(site)]
    variables = {"PYTHONPATH": str(site)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_files_and_folders_count_but_not_those_of_the_import_system(noted, site):
    assert [path for path in noted["opened"] if path.startswith(str(site))] == [f"{site}/data.txt"]
    assert [path for path in noted["listed"] if path.startswith(str(site))] == [f"{site}/folder"]


def test_functions_that_are_entered_are_noted_in_every_thread_with_their_module(noted):
    entered = {(name, module) for name, module, _ in noted["code"]}
    assert {
        ("<module>", "user"),
        ("<module>", "helper"),
        ("while_loading", "user"),
        ("both", "user"),
        ("in_a_thread", "user"),
    } <= entered
    assert ("never", "user") not in entered


def test_who_asks_for_a_module_is_noted_whether_it_is_there_or_not(noted):
    assert noted["asked"]["helper"] == noted["asked"]["not_there"] == noted["asked"]["late"] == ["user"]


def test_lines_of_the_notebooks_own_code_are_noted_and_no_others(noted):
    assert noted["lines"].keys() == {"<cell 3>"}
    assert 4 not in noted["lines"]["<cell 3>"]
    assert {2, 3} <= set(noted["lines"]["<cell 3>"])
