"""What `nbslim serve` cannot do is one line, said before any work is done, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from support import NBSLIM, ROOT, free_port, run_nbslim

PLAIN = ROOT / "tests/notebooks/plain.ipynb"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("plain") / "plain.oci.tar"
    result = run_nbslim("pack", PLAIN, "--engine", "oci", "--output", path)
    assert result.returncode == 0, result.stderr
    return path


@pytest.fixture
def temporary(tmp_path):
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def refused(source: Path, temporary: Path, **variables: str) -> str:
    """Serve, expect that it does not come to it, and return the one line that says why."""
    result = run_nbslim("serve", source, variables={"TMPDIR": str(temporary), **variables}, timeout=60)
    lines = [line for line in result.stderr.splitlines() if line.startswith("nbslim: ")]
    assert result.returncode == 5, result.stderr
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert list(temporary.iterdir()) == []
    return lines[0]


def test_port_in_use(archive, temporary):
    with socket.create_server(("0.0.0.0", 0)) as other:
        port = other.getsockname()[1]
        line = refused(archive, temporary, PORT=str(port))
    assert line == f"nbslim: port {port} of 0.0.0.0 cannot be listened on: Address already in use"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b"])
def test_host_that_is_none(host, archive, temporary):
    line = refused(archive, temporary, NBSLIM_HOST=host)
    assert line.startswith(f"nbslim: port 8080 of {host} cannot be listened on: ")


def test_path_that_leads_nowhere(tmp_path, temporary):
    source = tmp_path / "notebook.ipnyb"
    assert refused(source, temporary, PORT=str(free_port())) == f"nbslim: {source} does not exist"


def test_misspelt_variable_is_told_by_an_image_too(archive, temporary):
    variables = {**os.environ, "TMPDIR": str(temporary), "PORT": str(free_port()), "NBSLIM_WORKER": "2"}
    command = [NBSLIM, "serve", archive]
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as process:
        said = [process.stderr.readline() for _ in range(2)]
        process.terminate()
    assert "nbslim: NBSLIM_WORKER is not a variable of the service; is NBSLIM_WORKERS meant?\n" in said


def test_port_of_somebody_else_matters_to_serve_alone(archive):
    foreign = {"PORT": "tcp://10.0.0.1:80"}  # as Kubernetes sets for a service called "port"
    assert run_nbslim("serve", archive, variables=foreign).returncode == 2
    assert run_nbslim("analyze", PLAIN, variables=foreign).returncode == 0


def test_archive_with_one_wrong_bit(archive, tmp_path, temporary):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged").write_bytes(content)
    assert refused(tmp_path / "damaged", temporary, PORT=str(free_port())).endswith("is damaged")


@pytest.mark.parametrize("manifest", ["{", "[]"])
def test_manifest_that_is_none(manifest, tmp_path, temporary):
    (tmp_path / "manifest.json").write_text(manifest)
    line = refused(tmp_path, temporary, PORT=str(free_port()))
    assert line.startswith(f"nbslim: {tmp_path}/manifest.json is not the manifest of a bundle: ")


def test_bundle_of_an_older_nbslim(tmp_path, temporary):
    (tmp_path / "manifest.json").write_text('{"format": 1, "python": "3.11", "requirements": []}')
    line = refused(tmp_path, temporary, PORT=str(free_port()))
    assert line == f"nbslim: {tmp_path}/manifest.json: format 1 is not 2, the one that this nbslim serves"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_signal_before_it_serves_leaves_nothing(number, archive, temporary):
    process = subprocess.Popen(
        [NBSLIM, "serve", archive, "--port", str(free_port())],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    assert process.stderr.readline().startswith("unpacking")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "nbslim: interrupted\n"
    assert list(temporary.iterdir()) == []


def test_terminal_that_interrupts_and_closes_leaves_nothing(archive, temporary):
    process = subprocess.Popen(
        [NBSLIM, "serve", archive, "--port", str(free_port())], start_new_session=True,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)},
    )  # fmt: skip
    while "listens on" not in (line := process.stderr.readline()):
        assert line
    os.killpg(process.pid, signal.SIGHUP)  # to the whole group, as a terminal does
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err == ""
    assert list(temporary.iterdir()) == []
