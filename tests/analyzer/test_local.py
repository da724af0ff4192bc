"""Modules beside the notebook are told from others, and followed."""

from pathlib import Path

import pytest
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.syntax import statements
from nbslim.analyzer.types import Cell, Notebook


@pytest.fixture
def local(tmp_path):
    for name in ("single.py", "kit/__init__.py", "kit/words.py", "kit/deep/__init__.py", "space/part.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("import regex\ndef f():\n    from . import x\n")
    (tmp_path / "native.cpython-311-x86_64-linux-gnu.so").touch()
    (tmp_path / "data").mkdir()
    return LocalModules(tmp_path, {"written.py": "import ftfy", "made/tool.py": ""})


def imported(source):
    return statements(source)[0].imports[0]


@pytest.mark.parametrize(
    ("source", "importer", "files"),
    [
        ("import single", None, ("single.py",)),
        ("import kit.words", None, ("kit/__init__.py", "kit/words.py")),
        ("from kit import words", None, ("kit/__init__.py", "kit/words.py")),
        ("from kit import missing", None, ("kit/__init__.py",)),
        ("from kit import *", None, ("kit/__init__.py",)),
        ("import kit.missing", None, ()),
        ("import space.part", None, ("space/part.py",)),
        ("import written", None, ("written.py",)),
        ("import numpy", None, ()),
        ("from . import words", "kit/__init__.py", ("kit/__init__.py", "kit/words.py")),
        ("from .. import words", "kit/deep/__init__.py", ("kit/__init__.py", "kit/words.py")),
        ("from ..words import f", "kit/deep/__init__.py", ("kit/__init__.py", "kit/words.py")),
        ("from .... import words", "kit/deep/__init__.py", ()),
        ("from . import words", None, ()),
    ],
)
def test_files_of_an_import(local, source, importer, files):
    assert local.files(imported(source), importer) == files


@pytest.mark.parametrize("module", ["single", "kit.words", "space", "native", "written", "made.tool"])
def test_what_lies_beside_the_notebook_is_local(local, module):
    assert local.has(module)


@pytest.mark.parametrize("module", ["numpy", "data", "sing", "tool"])
def test_what_does_not_is_foreign(local, module):
    assert not local.has(module)


def test_imports_of_a_file_are_told_those_of_its_functions_too(local):
    assert [i.module for i in local.imports("written.py")] == ["ftfy"]
    assert [(i.module, i.name) for i in local.imports("single.py")] == [("regex", None), ("", "x")]


def test_missing_script_has_no_statements(local):
    assert local.statements("missing.py") == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"x = 1\ny = (", r"^kit/bad.py, line 2: '\(' was never closed$"), (b"\xff", "^kit/bad.py: .*utf-8")],
)
def test_file_that_is_no_python_is_refused(local, content, message):
    (local.folder / "kit/bad.py").write_bytes(content)
    with pytest.raises(NotebookError, match=message):
        local.statements("kit/bad.py")


def test_cells_write_modules():
    cells = (Cell(1, "", "", written=("./kit/a.py", "x = 1")), Cell(2, "", "y = 2"))
    local = LocalModules.beside(Notebook(Path("/nowhere/model.ipynb"), cells, None))
    assert local.files(imported("import kit.a")) == ("kit/a.py",)
