from pathlib import Path

import pytest
from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.imports import foreign_imports, importable
from nbslim.analyzer.metadata import Distribution
from nbslim.analyzer.types import Cell, Notebook


@pytest.mark.parametrize(
    ("module", "works"),
    [
        ("a", True),
        ("a.part", None),
        ("json", True),
        ("json.decoder", True),
        ("tomllib", None),
        ("helpers", True),
        ("gone", False),
        ("gone.part", False),
    ],
)
def test_what_can_be_imported_is_told_as_far_as_it_is_known(tmp_path, module, works):
    (tmp_path / "helpers.py").touch()
    installed = Installed({"a": Distribution("a", "1.0", Path("/nowhere"), ("a/__init__.py",), ())}, "3.11")
    assert importable(Notebook(tmp_path / "model.ipynb", (), None), installed)(module) is works


def test_foreign_are_those_of_local_modules_too_however_these_import_each_other(tmp_path):
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/__init__.py").write_text("from .inner import work\nimport a.x")
    (tmp_path / "kit/inner.py").write_text("from . import other\nimport kit, b")
    (tmp_path / "unused.py").write_text("import c")
    (tmp_path / "broken.py").write_text("import d\n((")
    text = "from kit import work\nimport broken\nfrom e import f"
    notebook = Notebook(tmp_path / "model.ipynb", (Cell(1, text, text),), None)
    assert foreign_imports(notebook) == {"a.x", "b", "e.f"}
