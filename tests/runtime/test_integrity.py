"""A bundle that is not as it was packed is not loaded; one line says which file is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import change_manifest, write_bundle
from nbslim.runtime.bundle import BundleError, load_bundle
from nbslim.runtime.integrity import digest

pytestmark = pytest.mark.usefixtures("unchanged_path")

FILES = {"modules/own.py": "import pathlib\npathlib.Path('imported').touch()\n", "files/rates.txt": "3.5\n"}


class Large:
    """Its bytes lie beside the pickle; loading it leaves a trace."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce_ex__(self, protocol):
        import pickle

        return print, (pickle.PickleBuffer(bytes(100_000)), str(self.folder))


class Touch:
    """Loading it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def folder(tmp_path):
    pickled = {"touch": Touch(tmp_path / "unpickled"), "predictor": len, "large": Large(tmp_path)}
    return write_bundle(tmp_path / "bundle", pickled, ({"input": [1], "answer": 1},), files=FILES)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def link(folder, name):
    (folder / name).rename(folder.parent / "elsewhere")
    (folder / name).symlink_to(folder.parent / "elsewhere")


def listed(folder, name):
    """Let the manifest list another file, as it is."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    path = folder / name
    entry = {"size": path.stat().st_size, "sha256": digest(path)}
    change_manifest(folder, files={**files, name: entry})


EVERY = ["entry_points.pickle", "entry_points.buffers", "samples.jsonl", "modules/own.py", "files/rates.txt"]

DAMAGES = {
    **{f"{name} changed": (name, lambda f, n=name: flip(f / n), "it was changed since") for name in EVERY},
    **{f"{name} truncated": (name, lambda f, n=name: os.truncate(f / n, 3), "and has 3") for name in EVERY},
    **{f"{name} missing": (name, lambda f, n=name: (f / n).unlink(), "and not there") for name in EVERY},
    "a file more": ("modules/json.py", lambda f: (f / "modules/json.py").touch(), "not in the list"),
    "bytecode": (
        "modules/__pycache__/own.pyc",
        lambda f: ((f / "modules/__pycache__").mkdir(), (f / "modules/__pycache__/own.pyc").touch()),
        "not in the list",
    ),
    "a link to a file": ("files/rates.txt", lambda f: link(f, "files/rates.txt"), "neither a file nor"),
    "a link to a folder": ("more", lambda f: (f / "more").symlink_to(f / "files"), "neither a file nor"),
    "a pipe": ("files/pipe", lambda f: os.mkfifo(f / "files/pipe"), "neither a file nor a folder"),
    "a path that leads out": (
        "manifest.json",
        lambda f: ((f.parent / "x").touch(), listed(f, "../x")),
        "'../x' in its list is no path of a file in the bundle",
    ),
    "an absolute path": ("manifest.json", lambda f: listed(f, "/etc/passwd"), "'/etc/passwd' in its list"),
    "a path by a detour": (
        "manifest.json", lambda f: listed(f, "files/../files/rates.txt"), "'files/../files/rates.txt' in",
    ),
    "a list of nothing": ("manifest.json", lambda f: change_manifest(f, files=None), "it lists no files"),
    "a list without hashes": (
        "manifest.json", lambda f: change_manifest(f, files={"samples.jsonl": 52}), "no size or no sha256",
    ),
    "a manifest that is a link": ("manifest.json", lambda f: link(f, "manifest.json"), "neither a file nor a folder"),
}  # fmt: skip


def test_bundle_as_it_was_packed_is_loaded(folder, tmp_path):
    assert load_bundle(folder).predictor([1]) == 1
    assert (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_told_before_anything_is_loaded(damage, folder, tmp_path):
    name, do, fault = DAMAGES[damage]
    do(folder)
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    line = str(caught.value)
    assert line.startswith(f"{folder / name}: ")
    assert fault in line
    assert line.endswith("; pack the notebook again")
    assert "\n" not in line
    assert not (tmp_path / "unpickled").exists()
    assert str(folder / "modules") not in sys.path


def test_manifest_that_is_a_pipe_is_not_waited_for(folder):
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(BundleError, match=r"manifest\.json: it is no file"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["two\nlines", "\udcff"], ids=ascii)
def test_name_that_no_terminal_shows_is_spelled(name, folder):
    (folder / name).touch()
    with pytest.raises(BundleError) as caught:
        load_bundle(folder)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_file_that_cannot_be_read_is_named(folder):
    (folder / "samples.jsonl").chmod(0)
    with pytest.raises(BundleError, match=r"samples\.jsonl: Permission denied"):
        load_bundle(folder)


def test_starting_twice_leaves_the_bundle_as_it_was_packed(tmp_path):
    source = {"modules/own.py": "def length(x): return len(x)"}
    code = b"cown\nlength\n."  # by its name, as cloudpickle does with functions of modules
    pickled = b"(S'predictor'\n" + code[:-1] + b"d."
    folder = write_bundle(tmp_path / "bundle", pickled, files=source)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(2):
        command = [sys.executable, "-m", "nbslim.runtime.replay", str(folder)]
        done = subprocess.run(command, env=environment, input="", capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["error"] is None
    assert not list(folder.rglob("__pycache__"))


def test_damaged_bundle_ends_the_start_with_one_line(folder):
    flip(folder / "entry_points.pickle")
    command = [sys.executable, "-m", "nbslim.runtime", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    path = folder / "entry_points.pickle"
    line = f"nbslim: {path}: it was changed since it was packed; pack the notebook again\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line)


def test_hash_is_that_of_hashlib(tmp_path):
    import hashlib

    content = bytes(range(256)) * 10_000  # more than a block, and no whole number of them
    (tmp_path / "file").write_bytes(content)
    assert digest(tmp_path / "file") == hashlib.sha256(content).hexdigest()
