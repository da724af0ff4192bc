"""Each failure is one clear line with its place and the right exit code, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import CACHE, ENGINES, NBSLIM, ROOT, free_port, run_nbslim, until

BROKEN = ROOT / "tests/notebooks/broken"

ISOLATIONS = (None, "chroot", "oci")
"""Of the builder; None: the host."""

FAILURES = {
    "not_a_notebook": (3, r"^nbslim: not_a_notebook\.ipynb: "),
    "no_predictor": (3, r"^nbslim: no_predictor\.ipynb: no cell defines predictor"),
    "syntax_error": (3, r"^nbslim: syntax_error\.ipynb, cell \d+, line \d+: "),
    "raising_cell": (4, r"^nbslim: raising_cell\.ipynb, cell \d+, line \d+: \w+Error: "),
    "endless_cell": (4, r"^nbslim: endless_cell\.ipynb, cell \d+, line 1: not done after 3 s"),
    "missing_requirement": (4, r"^nbslim: missing_requirement\.ipynb, cell 1, line \d+: "),
    "impossible_pins": (
        4,
        r"^nbslim: impossible_pins\.ipynb, cell 1, line \d+: .*numpy==1\.15.*scipy==1\.0\.1",
    ),
    "unpicklable": (4, r"^nbslim: unpicklable\.ipynb, cell \d+, line \d+: predictor → .* cannot be pickled"),
}


@pytest.fixture
def folders(tmp_path):
    """Folders of the command's own, so that whatever it leaves can be seen."""
    for name in ("tmp", "cwd"):
        (tmp_path / name).mkdir()
    return tmp_path


def variables(folders):
    return {"TMPDIR": str(folders / "tmp")}


def left_behind(folders) -> list[str]:
    """Everything that a pack could have left: files, processes, containers, mounts."""
    found = [str(path) for name in ("tmp", "cwd") for path in (folders / name).iterdir()]
    found += [str(path) for path in CACHE.glob("packs/*")]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"NBSLIM_WORKSPACE={CACHE}".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    found += [line for line in Path("/proc/mounts").read_text().splitlines() if str(CACHE) in line]
    for command in (["buildah", "containers", "--quiet"], ["runc", "list", "--quiet"]):
        if shutil.which(command[0]):
            found += subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return found


# Whatever fails before a stage is opened fails in the same way for both engines.
IN_THE_STAGE = ("raising_cell", "endless_cell", "unpicklable")
TRIES = [
    *(
        ("pack", name, engine)
        for name in FAILURES
        for engine in ENGINES
        if engine == "oci" or name in IN_THE_STAGE
    ),
    *(("serve", name, "oci") for name in FAILURES),
]


@pytest.mark.parametrize(("command", "name", "engine"), TRIES)
def test_broken_notebook_gives_one_line_and_leaves_nothing(command, name, engine, folders):
    if engine == "buildah" and shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    code, pattern = FAILURES[name]
    result = run_nbslim(
        command, BROKEN / f"{name}.ipynb", "--engine", engine, "--timeout", 3,
        cwd=folders / "cwd", variables={**variables(folders), "PORT": str(free_port())},
    )  # fmt: skip
    lines = [line for line in re.split(r"[\r\n]", result.stderr) if line.startswith("nbslim:")]
    assert result.returncode == code, result.stderr
    assert len(lines) == 1
    assert re.search(pattern, lines[0])
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert left_behind(folders) == []


def test_notebook_without_a_name_for_an_image_is_packed_with_a_tag(folders):
    notebook = shutil.copy(ROOT / "tests/notebooks/plain.ipynb", folders / "日本.ipynb")
    refused = run_nbslim(
        "pack", notebook, "--engine", "oci", cwd=folders / "cwd", variables=variables(folders)
    )
    assert refused.returncode == 3
    assert refused.stderr.splitlines()[-2:] == [
        "nbslim: 日本.ipynb: no image name can be made of this",
        "        rename it, or pack it with --tag NAME",
    ]
    tagged = run_nbslim(
        "pack", notebook, "--engine", "oci", "--tag", "nihon", "--bundle", folders / "bundle",
        cwd=folders / "cwd", variables=variables(folders),
    )  # fmt: skip
    assert tagged.stdout == "localhost/nihon:latest\n"
    assert json.loads((folders / "bundle/manifest.json").read_text())["name"] == "日本"


def test_impossible_pins_say_what_would_do():
    result = run_nbslim("analyze", BROKEN / "impossible_pins.ipynb")
    assert result.returncode == 4
    for pin in ("numpy==1.15", "scikit-learn==0.19.2", "scipy==1.0.1"):
        assert pin in result.stderr
    assert re.search(r"nearest .*numpy 1\.\d+", result.stderr)


@pytest.mark.parametrize(
    ("number", "isolation"),
    [
        *((number, isolation) for number in (signal.SIGINT, signal.SIGTERM) for isolation in ISOLATIONS),
        (signal.SIGHUP, None),
    ],
)
def test_interrupted_pack_leaves_nothing(number, isolation, folders):
    if isolation and shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    engine = ["--engine", "buildah", "--isolation", isolation] if isolation else ["--engine", "oci"]
    process = start_endless(["pack", *engine], folders)
    assert_interrupted(process, number, folders)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_serve_leaves_nothing_while_cells_run(number, folders):
    process = start_endless(["serve", "--engine", "oci", "--port", str(free_port())], folders)
    assert_interrupted(process, number, folders)


def assert_interrupted(process, number, folders):
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.rstrip().endswith("nbslim: interrupted")
    assert "Traceback" not in err
    assert left_behind(folders) == []


@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_what_a_killed_pack_left_is_reaped_by_the_next(isolation, folders):
    if isolation and shutil.which("buildah") is None:
        pytest.skip("buildah is not installed")
    engine = ["--engine", "buildah", "--isolation", isolation] if isolation else ["--engine", "oci"]
    process = start_endless(["pack", *engine], folders)
    process.kill()
    process.communicate()
    assert left_behind(folders) != []
    run_nbslim(
        "pack",
        BROKEN / "raising_cell.ipynb",
        "--engine",
        "oci",
        variables=variables(folders),
        cwd=folders / "cwd",
    )
    until(lambda: left_behind(folders) == [])  # a container's runner ends by itself once its process is dead


def start_endless(arguments: list[str], folders) -> subprocess.Popen[str]:
    """Start a command with an endless notebook and wait until its endless cell runs."""
    command = [str(NBSLIM), *arguments, str(BROKEN / "endless_cell.ipynb")]
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE), **variables(folders)}
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folders / "cwd",
    )
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if list((folders / "tmp").glob("nbslim-*/kernel-1")) and not list(
            (folders / "tmp").glob("nbslim-*/environment.json")
        ):
            time.sleep(1)
            return process
        time.sleep(0.05)
    raise AssertionError(process.communicate())


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.parametrize("full", ["NBSLIM_CACHE", "output"])
def test_full_disk_is_one_line_that_names_the_place(full, folders, nbslim):
    disk = folders / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        where = {"NBSLIM_CACHE": str(disk)} if full == "NBSLIM_CACHE" else {}
        output = disk / "image.oci.tar" if full == "output" else folders / "cwd/image.oci.tar"
        result = nbslim(
            "pack", ROOT / "tests/notebooks/plain.ipynb", "--engine", "oci", "--output", output,
            cwd=folders / "cwd", variables={**variables(folders), **where},
        )  # fmt: skip
        lines = [line for line in re.split(r"[\r\n]", result.stderr) if line.startswith("nbslim:")]
        assert result.returncode == 5, result.stderr
        assert len(lines) == 1
        assert "no space left on device" in lines[0].lower()
        assert not output.exists()
        assert not list(disk.glob("packs/*"))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert left_behind(folders) == []


def test_other_python_that_is_not_here_lists_what_is():
    result = run_nbslim("analyze", ROOT / "fixtures/rules/notebook.ipynb", "--python", "3.14")
    assert result.returncode in (3, 4)
    assert len(result.stderr.splitlines()) <= 2
    assert f"{sys.version_info[0]}.{sys.version_info[1]}" in result.stderr or "3.9" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["pack"],
        ["pack", "x.ipynb", "--tag", "Not A Tag"],
        ["pack", "x.ipynb", "-e", "NBSLIM_NOT_SET"],
        ["frobnicate"],
    ],
)
def test_wrong_arguments_are_exit_code_2(arguments):
    assert run_nbslim(*arguments).returncode == 2


def test_missing_notebook_is_exit_code_3():
    result = run_nbslim("analyze", "nowhere.ipynb")
    assert result.returncode == 3
    assert len(result.stderr.splitlines()) == 1
