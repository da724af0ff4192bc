"""Imports are followed to the modules behind them, none of which is executed, on every Python."""

import json
import subprocess

import pytest
from guests import guest_pythons
from support import ROOT

PROGRAM = """
import json, sys
from nbslim.packer.inside_closure import Closure

before = set(sys.modules)
names, code, importers = json.loads(sys.stdin.read())
closure = Closure([])
closure.add_names(names)
closure.add_code(compile(code, "start", "exec"), "start", "")
closure.complete()
closure.add_importers(importers)
print(json.dumps([closure.files, closure.edges, sorted(set(sys.modules) - before)]))
"""
MODULES = {
    "plain.py": "import json\nfrom pack import inner",
    "pack/__init__.py": "from . import first",
    "pack/first.py": "from .second import x\nfrom pack.inner.deep import y",
    "pack/second.py": "from . import first\nx = 1",  # in a circle
    "pack/inner/__init__.py": "",
    "pack/inner/deep.py": "from ...pack import second\nfrom .. import no_such\ny = 1",
    "pack/alone.py": "raise SystemExit('executed')",
    "space/below/module.py": "import plain",
    "old.py": "print 'python 2'",
    "bad.py": "\0",
    "late.py": "def f():\n    import plain\nclass C:\n    import pack",
    "optional.py": "try:\n    import plain\nexcept ImportError:\n    plain = None\nimport no_such.below",
    "twice.py": "try:\n    import plain\nexcept ImportError:\n    import plain\n",
    "number.py": "import math, sys, _ctypes",
}


@pytest.fixture(scope="module", name="site")
def _site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name, text in MODULES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "nbslim").symlink_to(ROOT / "build/src/nbslim")
    return folder


@pytest.fixture(name="follow", params=guest_pythons())
def _follow(request, site):
    """Follow names, code and importers; give all files, those of the site relative to it, and edges."""

    def follow(*names, code="", importers=()):
        done = subprocess.run(
            [request.param, "-S", "-B", "-c", PROGRAM], input=json.dumps([names, code, dict(importers)]),
            env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        files, edges, loaded = json.loads(done.stdout)
        assert not {name.partition("/")[0].partition(".")[0] for name in MODULES} & set(loaded)
        own = {name: path and path.removeprefix(f"{site}/") for name, path in files.items()}
        return own, edges

    return follow


def in_site(files):
    return {name: path for name, path in files.items() if path in MODULES}


def test_module_brings_its_packages_and_what_they_import(follow):
    files, _ = follow("pack.inner.deep")
    assert in_site(files) == {
        "pack": "pack/__init__.py",
        "pack.first": "pack/first.py",
        "pack.second": "pack/second.py",
        "pack.inner": "pack/inner/__init__.py",
        "pack.inner.deep": "pack/inner/deep.py",
    }


def test_only_what_is_imported_is_followed(follow):
    files, _ = follow("plain")
    assert "pack.alone" not in files
    assert "json.decoder" in files


def test_importers_are_told_with_all_that_they_import(follow):
    _, edges = follow("pack")
    assert edges["pack"] == {"pack": False, "pack.first": False}
    assert edges["pack.first"].keys() == {"pack", "pack.second", "pack.inner", "pack.inner.deep"}
    assert edges["pack.inner.deep"].keys() == {"pack", "pack.second"}


def test_namespace_package_has_no_file_and_its_modules_have(follow):
    files, _ = follow("space.below.module")
    assert (files["space"], files["space.below"]) == (None, None)
    assert files["space.below.module"] == "space/below/module.py"
    assert files["plain"] == "plain.py"


def test_extension_module_has_its_file_and_a_builtin_one_none(follow):
    files, edges = follow("number")
    assert files["_ctypes"].endswith(".so")
    assert files["sys"] is None
    assert edges["number"].keys() == {"math", "sys", "_ctypes"}


@pytest.mark.parametrize("name", ["old", "bad"])
def test_module_in_another_syntax_is_there_and_imports_nothing(name, follow):
    files, edges = follow(name)
    assert files == {name: f"{name}.py"}
    assert name not in edges


def test_functions_of_modules_are_not_followed_and_classes_neither(follow):
    files, _ = follow("late")
    assert files == {"late": "late.py"}


def test_missing_module_is_left_aside(follow):
    files, edges = follow("no_such", "pack.no_such.below", "optional")
    assert not [name for name in files if "no_such" in name]
    assert edges["optional"] == {"plain": True}


def test_module_that_is_needed_once_is_needed(follow):
    _, edges = follow("twice")
    assert edges["twice"] == {"plain": False}


def test_code_that_was_entered_is_an_importer(follow):
    files, edges = follow(code="def f(x): pass\nfrom pack import alone")
    assert edges["start"] == {"pack": False, "pack.alone": False}
    assert files["pack.alone"] == "pack/alone.py"


def test_importer_that_was_seen_needs_the_module_unless_its_code_shows_otherwise(follow):
    asked = {"plain": ["optional", "hook"], "no_such": ["hook"]}
    _, edges = follow("optional", importers=asked)
    assert edges["hook"] == {"plain": False}
    assert edges["optional"] == {"plain": True}
