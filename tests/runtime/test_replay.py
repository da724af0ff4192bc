import json
import subprocess
import sys

import pytest
from nbslim.runtime.bundle import load_bundle
from nbslim.runtime.replay import Report, replay, replay_folder

pytestmark = pytest.mark.usefixtures("unchanged_path")

HALF = """
    def validator(x):
        return x is not None

    def predictor(x):
        return x / 2
"""
SAMPLES = (
    {"input": 1, "answer": 0.5},
    {"input": None, "refused": True},
    {"input": "a", "raises": "TypeError"},
)


def run(*arguments):
    command = [sys.executable, "-m", "nbslim.runtime.replay", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_equal_outcomes_of_every_kind_are_counted(bundle):
    assert replay_folder(bundle(HALF, SAMPLES)) == Report(3, 3, ())


def test_difference_shows_both_outcomes(bundle):
    (difference,) = replay_folder(bundle(HALF, (*SAMPLES, {"input": 2, "answer": 1}))).differences
    assert (difference.index, difference.expected, difference.got) == (3, {"answer": 1}, {"answer": 1.0})
    assert difference.error is None


def test_module_missing_while_predicting_is_named(bundle):
    source = """
        def predictor(x):
            try:
                import no_such_module
            except ImportError:
                raise ValueError("install it")
    """
    (difference,) = replay_folder(bundle(source, ({"input": 1, "answer": 1},))).differences
    assert difference.got == {"raises": "ValueError"}
    assert (difference.error.message, difference.error.module) == ("install it", "no_such_module")
    assert difference.error.traceback.endswith("ValueError: install it")


def test_replaying_twice_gives_the_same_report(bundle):
    loaded = load_bundle(bundle("predictor = lambda x: x.pop()", ({"input": [1, 2], "answer": 2},)))
    assert replay(loaded) == replay(loaded) == Report(1, 1, ())


def test_command_prints_the_report_alone(bundle):
    source = """
        def predictor(x):
            import os
            print("from Python")
            os.system("echo from a child")
            return x
    """
    done = run(bundle(source, ({"input": 1, "answer": 1}, {"input": 2, "answer": 3})))
    assert json.loads(done.stdout) == {
        "samples": 2,
        "equal": 1,
        "differences": [{"index": 1, "expected": {"answer": 3}, "got": {"answer": 2}, "error": None}],
        "error": None,
    }
    assert done.returncode == 0
    assert done.stderr.count("from Python") == done.stderr.count("from a child") == 2


def test_command_reports_a_missing_module(bundle):
    folder = bundle("predictor = str")
    (folder / "entry_points.pickle").write_bytes(b"cno_such_module\npredictor\n.")
    done = run(folder)
    report = json.loads(done.stdout)
    assert (done.returncode, report["samples"], report["equal"]) == (0, 0, 0)
    assert (report["error"]["type"], report["error"]["module"]) == ("ModuleNotFoundError", "no_such_module")
    assert "cannot be loaded: module no_such_module is missing" in report["error"]["message"]


def test_command_reports_a_missing_bundle(tmp_path):
    report = json.loads(run(tmp_path / "nowhere").stdout)
    assert report["error"]["type"] == "FileNotFoundError"


def test_command_without_bundle_says_how_to_call_it():
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:")
