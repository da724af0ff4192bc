"""A program in an enclosure sees the tree and nothing of the host, and leaves no mark on either."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nbslim.packer.enclosure import Enclosure, enclose, without_network
from nbslim.packer.interpreter import assemble_interpreter, describe

NOBODY = 65534
PROBE = "import json, os, sys; print(json.dumps([os.path.exists('/root'), os.path.exists('/usr/bin/env'), sys.prefix]))"


@pytest.fixture(scope="module", name="tree")
def _tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("enclosed") / "tree"
    assemble_interpreter(describe(sys.executable), tree)
    for folder in (tree, *tree.parents):
        if folder.owner() == Path.home().owner() and folder != Path("/"):
            folder.chmod(0o755)
    return tree


def run(enclosure, *command, **options):
    line, environment = enclosure.command(command, environment={"LANG": "C.UTF-8"}, **options.pop("how", {}))
    return subprocess.run(
        line, env=environment, capture_output=True, text=True, check=False, cwd="/", **options
    )


def test_the_strictest_way_in_is_taken(tree):
    assert enclose(tree).method in ("chroot" if os.geteuid() == 0 else "user namespace", "loader")


@pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root")
def test_chroot_hides_the_host(tree):
    result = run(Enclosure(tree, "chroot"), "-I", "-c", PROBE)
    assert result.stdout.strip() == '[false, false, "/usr"]'


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_user_namespace_hides_the_host_from_an_ordinary_user(tree, tmp_path):
    line, environment = Enclosure(tree, "user namespace").command(["-I", "-c", PROBE], environment={})
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("an interpreter that every user may run is needed")
    script = tmp_path / "enter.py"
    script.write_text(Path(line[2]).read_text())
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    result = subprocess.run(
        [str(python), "-I", str(script), *line[3:]], env=environment, capture_output=True, text=True, check=False,
        cwd="/", user=NOBODY, group=NOBODY, extra_groups=[],
    )  # fmt: skip
    if "Operation not permitted" in result.stderr:
        pytest.skip(f"user namespaces are not allowed here: {result.stderr.splitlines()[-1]}")
    assert result.stdout.strip() == '[false, false, "/usr"]', result.stderr


def test_loader_runs_the_trees_own_interpreter(tree):
    result = run(Enclosure(tree, "loader"), "-c", "import ssl, sys; print(sys.prefix)")
    assert result.stdout.strip() == f"{tree}/usr", result.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root")
def test_the_tree_cannot_be_written_but_tmp_can(tree):
    code = "open('/tmp/x', 'w').write('1')\ntry: open('/usr/x', 'w')\nexcept OSError as e: print(e.strerror)"
    result = run(Enclosure(tree, "chroot"), "-I", "-c", code)
    assert result.stdout.strip() == "Read-only file system"
    assert not (tree / "tmp/x").exists()


def test_no_mount_is_left(tree):
    run(enclose(tree), "-I", "-c", "pass")
    assert str(tree) not in Path("/proc/mounts").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root here")
def test_without_network_a_program_reaches_only_itself():
    code = "import socket; print([name for _, name in socket.if_nameindex()])"
    code += "\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname()); print('itself')"
    result = subprocess.run(
        without_network([sys.executable, "-c", code]), capture_output=True, text=True, check=True
    )
    assert result.stdout.split("\n")[:2] == ["['lo']", "itself"]
