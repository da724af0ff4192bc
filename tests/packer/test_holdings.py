import os
import signal
import subprocess
import sys
import time

import pytest
from nbslim.packer.cache import complete, running, used
from nbslim.packer.holdings import KINDS, Holding, clear, holdings

YEAR = 365 * 86400

RUN = """
import sys, time
from pathlib import Path
from nbslim.packer.cache import running

with running(Path(sys.argv[1])):
    print("running", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def cache(tmp_path):
    for name in (
        "environments/a/bin",
        "environments/b",
        "bases/0123/environments/c",
        "bytecode/ab",
        "layers",
    ):
        (tmp_path / name).mkdir(parents=True)
    for name in (
        "environments/a/bin/python",
        "bases/0123/environments/c/x",
        "bytecode/ab/abc",
        "layers/l.tar.gz",
    ):
        (tmp_path / name).write_text("12345")
    os.link(tmp_path / "layers/l.tar.gz", tmp_path / "environments/b/linked")
    for path in tmp_path.rglob("*"):
        os.utime(path, (time.time() - 60,) * 2)  # what is made in the very moment of clearing stays
    return tmp_path


def entries(cache):
    return {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()}


def test_entries_are_counted_and_shared_bytes_only_once(cache):
    found = holdings(cache)
    assert found["environments"] == Holding(3, 15)
    assert found["bytecode"] == Holding(1, 5)
    assert found["layers"] == Holding(1, 0)
    assert found["packs"] == Holding(0, 0)


def test_clearing_takes_the_kinds_that_are_named(cache):
    assert clear(cache, ["environments"])["environments"].count == 3
    assert entries(cache) == {"bytecode/ab/abc", "layers/l.tar.gz"}
    clear(cache, KINDS)
    assert entries(cache) == set()


def test_a_cache_that_is_not_there_is_empty_and_stays_so(tmp_path):
    assert clear(tmp_path / "none", ["packs"]) == {"packs": Holding(0, 0)}
    assert sum(held.count for held in holdings(tmp_path / "none").values()) == 0
    assert not (tmp_path / "none").exists()


def test_what_was_used_lately_stays(cache):
    for path in (cache / "environments/a", cache / "environments/b"):
        os.utime(path, (time.time() - YEAR,) * 2)
    assert used(cache / "environments/b")
    clear(cache, ["environments"], unused_seconds=YEAR / 2)
    assert not (cache / "environments/a").exists()
    assert (cache / "environments/b").is_dir()


def test_what_a_running_command_uses_stays(cache):
    with subprocess.Popen([sys.executable, "-c", RUN, cache], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.05)
        assert used(cache / "environments/a")
        complete(cache / "environments/new", lambda folder: folder.mkdir())
        clear(cache, KINDS)
        left = sorted(path.name for path in (cache / "environments").iterdir())
        process.send_signal(signal.SIGKILL)
    assert left == ["a", "new"]
    time.sleep(0.05)
    clear(cache, KINDS)
    assert entries(cache) <= {path for path in entries(cache) if path.startswith("running/")}
    assert list((cache / "environments").iterdir()) == []


def test_a_command_that_is_gone_holds_nothing(cache):
    with running(cache):
        pass
    assert list((cache / "running").iterdir()) == []


def test_what_is_being_made_stays(cache):
    def make(folder):
        folder.mkdir()
        (folder / "half").touch()
        clear(cache, KINDS)
        assert (folder / "half").is_file()

    with running(cache):
        complete(cache / "environments/new", make)
        assert (cache / "environments/new").is_dir()


def test_what_a_killed_run_left_half_made_is_taken_away(cache):
    (cache / "environments/half.partial").mkdir()
    clear(cache, ["environments"])
    assert list((cache / "environments").iterdir()) == []
