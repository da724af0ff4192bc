"""An ordinary user with no container engine packs, replays and serves."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest
from ordinary_user import as_user, install_for_user, needs_root, needs_system_python
from support import free_port, post, wait_until_ready

pytestmark = [needs_root, needs_system_python]


@pytest.fixture(scope="module", name="home")
def _home():
    """A folder of the user's, with nbslim installed and nothing on PATH but a Python."""
    home = Path(tempfile.mkdtemp(prefix="nbslim-user-"))
    try:
        install_for_user(home)
        yield home
    finally:
        shutil.rmtree(home)


@pytest.mark.parametrize("method", ["user namespace", "loader"])
def test_ordinary_user_packs_replays_and_serves(home, method):
    in_chroot = method == "loader"
    archive = home / f"work/{method.split()[0]}.oci.tar"
    command = [
        home / "venv/bin/nbslim",
        "pack",
        home / "work/centers/notebook.ipynb",
        "--json",
        "--output",
        archive,
    ]
    result = subprocess.run(
        **as_user(home, command, in_chroot=in_chroot),
        capture_output=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr.startswith("engine: oci")
    receipt = json.loads(result.stdout)
    assert receipt["verified"]["samples"] == receipt["verified"]["equal"] == 5
    if in_chroot or receipt["verified"]["method"] != "loader":  # some machines allow no user namespace at all
        assert receipt["verified"]["method"] == method
    serves(home, archive, in_chroot=in_chroot)
    assert list((home / "cache/packs").iterdir()) == []
    assert list((home / "tmp").iterdir()) == []


def serves(home: Path, archive: Path, *, in_chroot: bool) -> None:
    port = free_port()
    command = [home / "venv/bin/nbslim", "serve", archive, "--port", port]
    process = subprocess.Popen(**as_user(home, command, in_chroot=in_chroot), stderr=subprocess.DEVNULL)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        status, answer = post(f"http://127.0.0.1:{port}", [0, 0])
        assert (status, sorted(answer)) == (200, ["depot", "distance"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
