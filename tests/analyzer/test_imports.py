from pathlib import Path

import pytest
from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.imports import importable
from nbslim.analyzer.metadata import Distribution
from nbslim.analyzer.types import Notebook


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
