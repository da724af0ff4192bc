"""What decides what comes out is in the key, and nothing else is."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from nbslim.analyzer import read_notebook
from nbslim.packer.keys import notebook_key, pack_key
from nbslim.packer.options import Goal, Options
from nbslim.packer.pythons import Python
from notebooks import write_notebook

PYTHON = Python("3.11.7", Path(sys.executable).resolve(), Path(sys.base_prefix))


class Project:
    def __init__(self, folder: Path) -> None:
        self.cache, self.folder, self.elsewhere = folder / "cache", folder / "project", folder / "elsewhere"
        self.folder.mkdir()
        self.elsewhere.mkdir()
        (self.elsewhere / "data.txt").write_text("1")
        (self.folder / "data.txt").write_text("1")
        (self.folder / "linked").symlink_to(self.elsewhere)
        self.options = Options(write_notebook(self.folder / "one.ipynb", "predictor = abs"))
        self.python, self.installed = PYTHON, [Path("/cache/environments/one"), Path("/cache/runtime/one")]
        self.engine = "oci"

    def key(self) -> str:
        notebook = read_notebook(self.options.notebook)
        return notebook_key(
            self.options, self.engine, notebook, self.python, self.installed, cache=self.cache
        )

    def set(self, **settings: object) -> None:
        self.options = replace(self.options, settings=replace(self.options.settings, **settings))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


def same_size_and_time(path: Path, text: str) -> None:
    status = path.stat()
    path.write_text(text)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


CHANGES = {
    "a cell": lambda p: write_notebook(p.options.notebook, "predictor = round"),
    "a file": lambda p: (p.folder / "data.txt").write_text("22"),
    "a file that keeps size and time": lambda p: same_size_and_time(p.folder / "data.txt", "2"),
    "a file that is new": lambda p: (p.folder / "helper.py").touch(),
    "a folder that is new": lambda p: (p.folder / "out").mkdir(),
    "a file that is gone": lambda p: (p.folder / "data.txt").unlink(),
    "a file that may be executed": lambda p: (p.folder / "data.txt").chmod(0o755),
    "a file behind a link": lambda p: (p.elsewhere / "data.txt").write_text("22"),
    "a variable": lambda p: p.set(variables={"A": "1"}),
    "the time limit": lambda p: p.set(timeout=6),
    "no network": lambda p: p.set(network=False),
    "a sample": lambda p: p.set(samples=(1,)),
    "the environment": lambda p: p.installed.insert(0, Path("/cache/environments/two")),
    "the interpreter": lambda p: setattr(p, "python", replace(PYTHON, executable=Path("/bin/sh"))),
    "the engine": lambda p: setattr(p, "engine", "buildah"),
    "the base": lambda p: setattr(p, "options", replace(p.options, base="python:3.11")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_cells_see_is_in_the_key(project, change):
    before = project.key()
    assert project.key() == before
    CHANGES[change](project)
    assert project.key() != before


NO_CHANGES = {
    "the archive": lambda p: (p.folder / "one.oci.tar").touch(),
    "version control": lambda p: (p.folder / ".git").mkdir(),
    "bytecode": lambda p: (p.folder / "__pycache__").mkdir(),
    "the time of a file": lambda p: os.utime(p.folder / "data.txt", (1, 1)),
    "a file elsewhere": lambda p: (p.folder.parent / "other.txt").touch(),
    "the tag": lambda p: setattr(p, "options", replace(p.options, tag="b:2")),
}


@pytest.mark.parametrize("change", NO_CHANGES)
def test_what_they_do_not_see_is_not(project, change, monkeypatch):
    monkeypatch.chdir(project.folder)
    before = project.key()
    NO_CHANGES[change](project)
    assert project.key() == before


def test_variables_of_the_caller_that_cells_see_are_in_the_key(project, monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Rome")
    before = project.key()
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert project.key() != before


def test_large_files_are_read_once(project, monkeypatch):
    monkeypatch.setattr("nbslim.packer.hashes._SETTLED_SECONDS", 0)
    before = project.key()
    monkeypatch.setattr("nbslim.packer.hashes.digest", lambda path: pytest.fail(f"{path} was read again"))
    assert project.key() == before


@pytest.mark.parametrize(
    "change",
    [
        {"tag": "b:2"},
        {"created": 86400},
        {"goal": Goal(strict=True)},
        {"goal": Goal(keep=("numpy",))},
        {"goal": Goal("packages")},
    ],
    ids=str,
)
def test_what_becomes_of_the_image_is_in_the_key_of_the_pack(project, change):
    options = project.options
    assert pack_key("executed", replace(options, **change)) != pack_key("executed", options)


def test_where_the_image_goes_is_not(project, tmp_path):
    options = replace(project.options, output=tmp_path / "a.tar", bundle=tmp_path / "b")
    assert pack_key("executed", options) == pack_key("executed", project.options)
    assert pack_key("other", options) != pack_key("executed", options)
