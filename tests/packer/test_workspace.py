"""A workspace leaves nothing behind, whoever ended the pack."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from nbslim.packer.workspace import MARKER, open_workspace, reap


@pytest.fixture(autouse=True)
def _temporary(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def leftovers(tmp_path):
    return [*(tmp_path / "cache/packs").iterdir(), *(tmp_path / "tmp").iterdir()]


def sleeper(workspace_folder):
    """A process of the stage, with a child, as a kernel that started a program."""
    code = "import subprocess, sys; subprocess.run(['sleep', '600'])"
    return subprocess.Popen([sys.executable, "-c", code], env={**os.environ, MARKER: str(workspace_folder)})


def test_folders_are_gone_after_the_pack(tmp_path):
    with open_workspace(tmp_path / "cache") as workspace:
        assert workspace.sockets.is_dir()
        (workspace.folder / "read-only").mkdir()
        (workspace.folder / "read-only/file").touch()
        (workspace.folder / "read-only").chmod(0o500)
    assert leftovers(tmp_path) == []


def test_folders_are_gone_after_an_interrupt(tmp_path):
    with pytest.raises(KeyboardInterrupt), open_workspace(tmp_path / "cache"):
        raise KeyboardInterrupt
    assert leftovers(tmp_path) == []


def test_processes_end_with_the_workspace_and_their_children_too(tmp_path):
    with open_workspace(tmp_path / "cache") as workspace:
        process = sleeper(workspace.folder)
    assert process.wait(60) == -9
    found = subprocess.run(
        ["pgrep", "-f", "sleep 600"], capture_output=True, text=True, check=False
    ).stdout.split()
    assert not [
        pid for pid in found if str(workspace.folder).encode() in Path(f"/proc/{pid}/environ").read_bytes()
    ]


def test_what_a_killed_pack_left_is_reaped_by_the_next(tmp_path):
    code = f"""
import os, signal, tempfile
from pathlib import Path
from nbslim.packer.workspace import open_workspace
tempfile.tempdir = {str(tmp_path / "tmp")!r}
with open_workspace(Path({str(tmp_path / "cache")!r})) as workspace:
    print(workspace.folder, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    process = sleeper(left)
    assert left.is_dir()
    with open_workspace(tmp_path / "cache") as workspace:
        assert [path.name for path in left.parent.iterdir()] == [workspace.folder.name]
    assert process.wait(60) == -9
    assert leftovers(tmp_path) == []


def test_a_living_pack_is_left_alone(tmp_path):
    with open_workspace(tmp_path / "cache") as workspace:
        reap(workspace.folder.parent)
        assert json.loads((workspace.folder / "owner.json").read_text())["pid"] == os.getpid()
