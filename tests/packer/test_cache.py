import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from nbslim.packer.cache import complete

SLOW = """
import sys, time
from pathlib import Path
from nbslim.packer.cache import complete

def make(folder):
    folder.mkdir()
    print("half", flush=True)
    time.sleep(60)

complete(Path(sys.argv[1]), make)
"""


def fill(folder):
    folder.mkdir()
    (folder / "file").write_text("all of it")


def killed_half_way(folder, number):
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, folder], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.readline()
        os.kill(process.pid, number)
    return sorted(path.name for path in folder.parent.iterdir())


def test_folder_is_made_once(tmp_path):
    assert complete(tmp_path / "deep" / "key", fill) == tmp_path / "deep" / "key"
    assert complete(tmp_path / "deep" / "key", pytest.fail) == tmp_path / "deep" / "key"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["key"]


def test_failure_leaves_nothing(tmp_path):
    def fail(folder):
        fill(folder)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        complete(tmp_path / "key", fail)
    assert list(tmp_path.iterdir()) == []


def test_interrupt_leaves_nothing(tmp_path):
    assert killed_half_way(tmp_path / "key", signal.SIGINT) == []


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path):
    assert "key.partial" in killed_half_way(tmp_path / "key", signal.SIGKILL)
    complete(tmp_path / "another", fill)
    assert [path.name for path in tmp_path.iterdir()] == ["another"]


def test_two_at_once_do_the_work_once(tmp_path):
    calls = []

    def slowly(folder):
        calls.append(folder)
        time.sleep(0.2)
        fill(folder)

    threads = [threading.Thread(target=complete, args=(tmp_path / "key", slowly)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_what_another_run_is_making_is_not_removed(tmp_path):
    def meanwhile(folder):
        fill(folder)
        complete(tmp_path / "another", fill)
        assert (folder / "file").is_file()

    complete(tmp_path / "key", meanwhile)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "key"]
