"""Distributions that serving asks for by name, not by a module."""

from pathlib import Path

import pytest
from nbslim.analyzer.analysis import analyze
from nbslim.analyzer.distributions import read_installed
from nbslim.analyzer.types import Closure, Link, Need, NeededImport, Notebook, Place, Requirements


@pytest.fixture
def install(tmp_path):
    def install(name, *files, entry_points="", requires=()):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        headers = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
        (info / "METADATA").write_text("\n".join(headers) + "\n")
        (info / "RECORD").write_text("\n".join(f"{file},," for file in files))
        (info / "entry_points.txt").write_text(entry_points)

    return install


@pytest.fixture
def serving(tmp_path):
    def serving(*, imports=(), **needs):
        closure = Closure({"predictor": Place(3, 1)}, tuple(imports), (), **needs)
        notebook, installed = Notebook(Path("model.ipynb"), (), None), read_installed([tmp_path])
        found = analyze(notebook, closure, installed, python="3.11", requirements=Requirements((), "cell 1"))
        return {kept.name: kept for kept in found.serving}, found.warnings

    return serving


@pytest.mark.parametrize("name", ["PyYAML", "pyyaml", "PyYAML>=5"])
def test_distribution_whose_version_is_read_is_kept_with_its_place(install, serving, name):
    install("PyYAML", "yaml/__init__.py", "_yaml/__init__.py", "yaml/loader.py", requires=["more"])
    install("more")
    kept, warnings = serving(metadata=(Need(name, Place(3, 2), "certain"),))
    yaml = kept["pyyaml"]
    assert (yaml.direct, yaml.certainty, yaml.imports) == (True, "certain", ("yaml",))
    assert yaml.why == (Link("predictor", Place(3, 1)), Link(name, Place(3, 2)))
    assert not kept["more"].direct
    assert warnings == ()


def test_name_that_is_not_installed_is_a_warning_with_its_place(serving):
    kept, (warning,) = serving(metadata=(Need("gone", Place(3, 2), "certain"),))
    assert kept == {}
    assert warning == "model.ipynb, cell 3, line 2: no installed distribution is called gone"


def test_all_that_offer_entry_points_in_a_group_are_kept(install, serving):
    install("a", entry_points="[console_scripts]\na = a:main\n")
    install("b", entry_points="[console_scripts]\nb = b:main\n\n[models]\nx = b:X\n")
    install("c", entry_points=" [ models ]\ny = c:Y\n")
    kept, _ = serving(entry_point_groups=(Need("models", Place(3, 2), "possible"),))
    assert [(one.name, one.certainty) for one in kept.values()] == [("b", "possible"), ("c", "possible")]


def test_import_and_name_together_have_the_surer_evidence(install, serving):
    install("a", "a.py", "a_more.py")
    why = (Link("predictor", Place(3, 1)), Link("model", Place(2, 1)), Link("a", Place(1, 1)))
    imports = (NeededImport("a", "possible", why),)
    kept, _ = serving(imports=imports, metadata=(Need("a", Place(3, 2), "certain"),))
    assert (kept["a"].certainty, kept["a"].imports) == ("certain", ("a", "a_more"))
    assert [link.name for link in kept["a"].why] == ["predictor", "a"]
