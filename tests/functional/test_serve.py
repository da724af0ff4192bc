"""`nbslim serve` is the image's service without a container engine."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from support import ROOT, post, run_nbslim, serving

PLAIN = ROOT / "tests/notebooks/plain.ipynb"


@pytest.fixture(scope="module", name="packed_plain")
def _packed_plain(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plain")
    result = run_nbslim(
        "pack", PLAIN, "--engine", "oci", "--output", folder / "image.oci.tar", "--bundle", folder / "bundle"
    )
    assert result.returncode == 0, result.stderr
    return folder


@pytest.mark.parametrize("source", ["image.oci.tar", "bundle"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_serves_until_it_is_told_to_stop(packed_plain, source, number, tmp_path):
    with serving(packed_plain / source, tmp_path) as (address, process):
        assert post(address, 41) == (200, 42)
        assert post(address, "x")[0] == 500
        process.send_signal(number)
        assert process.wait(60) == 0
    assert list(tmp_path.iterdir()) == []
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


@pytest.mark.parametrize("kind", ["missing", "no archive", "truncated"])
def test_what_cannot_be_served_is_one_line(packed_plain, kind, tmp_path):
    source = tmp_path / "image.oci.tar"
    if kind == "no archive":
        source.write_text("text")
    elif kind == "truncated":
        source.write_bytes((packed_plain / "image.oci.tar").read_bytes()[:5_000_000])
    result = run_nbslim("serve", source)
    assert result.returncode == 5, result.stderr
    assert "Traceback" not in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("nbslim:")]) == 1
