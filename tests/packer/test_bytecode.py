"""Sources become bytecode that names the image's paths and needs no source."""

import marshal
import sys

import pytest
from nbslim.packer.bytecode import place_bytecode
from nbslim.packer.enclosure import enclose
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.pythons import find_python, installed_pythons


@pytest.fixture(scope="module", name="tree")
def _tree(tmp_path_factory):
    tree = tmp_path_factory.mktemp("compiled") / "tree"
    assemble_interpreter(describe(sys.executable), tree)
    return tree


@pytest.fixture
def compiled(tree, tmp_path):
    """Compile the sources, named with their texts, into a new folder; returns the files that it has then."""
    version = describe(sys.executable).version

    def compiled(texts, **options):
        for name, text in texts.items():
            (tree / "app/lib").mkdir(parents=True, exist_ok=True)
            (tree / "app/lib" / name).write_text(text)
        target = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        sources = [f"app/lib/{name}" for name in texts]
        place_bytecode(enclose(tree), sources, target, version=version, cache=tmp_path / "cache", **options)
        files = (path for path in (target / "app/lib").rglob("*") if path.is_file())
        return {str(path.relative_to(target / "app/lib")): path.read_bytes() for path in files}

    return compiled


def test_bytecode_names_the_images_path_and_is_never_checked(compiled):
    files = compiled({"module.py": "def f(): return 1\n"})
    assert list(files) == ["module.pyc"]
    assert files["module.pyc"][4:8] == b"\x01\x00\x00\x00"  # hash-based, unchecked (PEP 552)
    assert marshal.loads(files["module.pyc"][16:]).co_filename == "/app/lib/module.py"


def test_what_does_not_compile_stays_a_source(compiled):
    assert list(compiled({"template.py": "print 'python 2'\n"})) == ["template.py"]


def test_sources_are_kept_where_asked_beside_their_bytecode(compiled):
    files = compiled({"module.py": "x = 1\n"}, keep=["app/lib/module.py"])
    assert sorted(files) == [f"__pycache__/module.{sys.implementation.cache_tag}.pyc", "module.py"]


def test_the_second_time_comes_from_the_cache_with_the_same_bytes(compiled, tmp_path):
    first = compiled({"module.py": "x = 1\n"})
    kept = [path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert compiled({"module.py": "x = 1\n"}) == first
    assert [path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*") if path.is_file()] == kept


@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11"])
def test_cold_cache_compiles_to_the_same_bytes(version, tmp_path):
    if version not in {python.minor for python in installed_pythons()}:
        pytest.skip(f"Python {version} is not installed")
    tree, interpreter = tmp_path / "tree", describe(str(find_python(version).executable))
    assemble_interpreter(interpreter, tree)
    found = set()
    (tree / "module.py").write_text("def f(x): return x in {'a', 'b', 'c', 'd', None, 1.5}\n")
    for number in range(6):
        target, cache = tmp_path / f"target{number}", tmp_path / f"cache{number}"
        place_bytecode(enclose(tree), ["module.py"], target, version=interpreter.version, cache=cache)
        found.add((target / "module.pyc").read_bytes())
    assert len(found) == 1
