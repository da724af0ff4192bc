"""Sources become bytecode that names the image's paths and needs no source."""

import marshal
import sys

import pytest
from nbslim.packer.bytecode import compile_tree
from nbslim.packer.enclosure import enclose
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.pythons import find_python, installed_pythons


@pytest.fixture(scope="module", name="tree")
def _tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("compiled") / "tree"
    assemble_interpreter(describe(sys.executable), tree)
    return tree


@pytest.fixture
def library(tree):
    folder = tree / "app/lib"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


def compiled(tree, cache, **options):
    compile_tree(enclose(tree), ["app/lib"], version=describe(sys.executable).version, cache=cache, **options)


def test_bytecode_names_the_images_path_and_is_never_checked(tree, library, tmp_path):
    (library / "module.py").write_text("def f(): return 1\n")
    compiled(tree, tmp_path)
    data = (library / "module.pyc").read_bytes()
    assert data[4:8] == b"\x01\x00\x00\x00"  # hash-based, unchecked (PEP 552)
    assert marshal.loads(data[16:]).co_filename == "/app/lib/module.py"
    assert not (library / "module.py").exists()


def test_what_does_not_compile_stays_a_source(tree, library, tmp_path):
    (library / "template.py").write_text("print 'python 2'\n")
    compiled(tree, tmp_path)
    assert [path.name for path in library.iterdir()] == ["template.py"]


def test_sources_are_kept_where_asked(tree, library, tmp_path):
    (library / "module.py").write_text("x = 1\n")
    compiled(tree, tmp_path, keep_sources=True)
    assert sorted(path.name for path in library.iterdir()) == ["module.py", "module.pyc"]


def test_the_second_time_comes_from_the_cache_with_the_same_bytes(tree, library, tmp_path):
    (library / "module.py").write_text("x = 1\n")
    compiled(tree, tmp_path)
    first = (library / "module.pyc").read_bytes()
    (library / "module.pyc").unlink()
    kept = [path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()]
    (library / "module.py").write_text("x = 1\n")
    compiled(tree, tmp_path)
    assert (library / "module.pyc").read_bytes() == first
    assert [path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()] == kept


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11"])
def test_cold_cache_compiles_to_the_same_bytes(version, tmp_path):
    if version not in {python.minor for python in installed_pythons()}:
        pytest.skip(f"Python {version} is not installed")
    tree, interpreter = tmp_path / "tree", describe(str(find_python(version).executable))
    assemble_interpreter(interpreter, tree)
    found = set()
    for number in range(6):
        (tree / "app/lib").mkdir(parents=True, exist_ok=True)
        (tree / "app/lib/module.py").write_text("def f(x): return x in {'a', 'b', 'c', 'd', None, 1.5}\n")
        compile_tree(enclose(tree), ["app/lib"], version=interpreter.version, cache=tmp_path / str(number))
        found.add((tree / "app/lib/module.pyc").read_bytes())
    assert len(found) == 1
