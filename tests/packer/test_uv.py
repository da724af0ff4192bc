import os
import signal
import subprocess
import sys
import time

import pytest
from nbslim.packer.errors import BuildError
from nbslim.packer.uv import Answer, RequirementsError, ask, run_uv

LONG = """
import sys
from nbslim.packer.uv import run_uv
child = '''
import os, time
for _ in range(1000):
    print("alive", file=open(os.environ["NOTE"], "a"), flush=True)
    time.sleep(0.02)
'''
run_uv("run", "--no-project", "--python", sys.executable, "python", "-c", child)
"""

NO_NETWORK = """error: Request failed after 3 retries in 9.4s
  cause: Failed to fetch: an address
  cause: client error (Connect)
  cause: dns error
"""


def answering(*answers):
    """Return a runner that gives these answers in turn, and the list of the arguments that it got."""
    calls, left = [], list(answers)

    def run(*arguments, text=""):
        calls.append(arguments)
        return left.pop(0)

    return run, calls


def test_real_uv_answers():
    answer = run_uv("--version")
    assert answer.good
    assert answer.output.startswith("uv ")


def test_interpreters_are_never_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "automatic")
    assert not run_uv("venv", "--no-project", "--managed-python", str(tmp_path / "x")).good


def test_interrupt_ends_uv_with_all_that_it_started(tmp_path):
    note = tmp_path / "note"
    with subprocess.Popen(
        [sys.executable, "-c", LONG], env={**os.environ, "NOTE": str(note)}, stderr=subprocess.DEVNULL
    ) as process:
        while not note.exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGINT)
    said = note.stat().st_size
    time.sleep(0.2)
    assert note.stat().st_size == said


def test_causes_are_single_lines_without_hints():
    problem = "error: No solution found\n  cause: Because a is old\n         and b is new.\n\nhint: Do not read this"
    assert Answer(1, "", problem).causes == ("No solution found", "Because a is old and b is new.")


def test_causes_of_older_uv_are_read_too():
    problem = "  \N{MULTIPLICATION SIGN} No solution found:\n  ╰─▶ Because a is old\n      and b is new.\n"
    assert Answer(1, "", problem).causes == ("No solution found:", "Because a is old and b is new.")


def test_cache_stands_in_for_the_network():
    run, calls = answering(Answer(2, "", NO_NETWORK), Answer(0, "six==1.17.0\n", ""))
    answer = ask(run, "pip", "compile")
    assert answer.good
    assert answer.offline
    assert calls == [("pip", "compile"), ("pip", "compile", "--offline")]


def test_without_network_and_cache_one_line_says_so():
    run, _ = answering(Answer(2, "", NO_NETWORK), Answer(1, "", "error: not in the cache"))
    with pytest.raises(RequirementsError) as caught:
        ask(run, "pip", "compile")
    assert str(caught.value) == (
        "the package index cannot be reached, and uv's cache does not suffice: "
        "Failed to fetch: an address: dns error"
    )


def test_full_disk_is_named():
    run, _ = answering(
        Answer(2, "", "error: failed to write\n  cause: No space left on device (os error 28)")
    )
    with pytest.raises(BuildError, match="no space left") as caught:
        ask(run, "pip", "install")
    assert "NBSLIM_CACHE" in caught.value.hint
