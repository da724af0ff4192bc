"""Sources become bytecode that names the image's paths and needs no source, but where a source is kept."""

import marshal
import subprocess
import sys

import pytest
from nbslim.packer.bytecode import place_bytecode
from nbslim.packer.enclosure import enclose
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.pythons import find_python, installed_pythons

OWN = describe(sys.executable)


@pytest.fixture(scope="module", name="draft")
def _draft(tmp_path_factory):
    tree = tmp_path_factory.mktemp("compiled") / "draft"
    assemble_interpreter(OWN, tree)
    return tree


@pytest.fixture
def library(draft):
    folder = draft / "app/lib"
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


@pytest.fixture(name="place")
def _place(draft, tmp_path):
    def place(*names, tree="tree", keep=()):
        target = tmp_path / tree
        sources = [f"app/lib/{name}" for name in names]
        place_bytecode(
            enclose(draft), sources, target, version=OWN.version, cache=tmp_path / "cache",
            keep=[f"app/lib/{name}" for name in keep],
        )  # fmt: skip
        return target / "app/lib"

    return place


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_bytecode_names_the_images_path_and_is_never_checked(library, place):
    (library / "module.py").write_text("def f(): return 1\n")
    placed = place("module.py")
    data = (placed / "module.pyc").read_bytes()
    assert data[4:8] == b"\x01\x00\x00\x00"  # hash-based, unchecked (PEP 552)
    assert marshal.loads(data[16:]).co_filename == "/app/lib/module.py"
    assert files(placed) == ["module.pyc"]


def test_what_does_not_compile_stays_a_source(library, place):
    (library / "template.py").write_text("print 'python 2'\n")
    assert files(place("template.py")) == ["template.py"]


def test_only_what_is_named_is_placed(library, place):
    (library / "one.py").write_text("x = 1\n")
    (library / "two.py").write_text("x = 2\n")
    assert files(place("two.py")) == ["two.pyc"]


def test_kept_source_lies_beside_bytecode_that_python_takes_for_it(library, place):
    (library / "kept.py").write_text("def f(): return 1\n")
    placed = place("kept.py", keep=["kept.py"])
    compiled = f"__pycache__/kept.{OWN.cache_tag}.pyc"
    assert files(placed) == [compiled, "kept.py"]

    (placed / "kept.py").unlink()
    (placed / "kept.py").write_text("def f(): return 2\n")  # read where a source is shown, and nowhere else
    code = "import inspect, kept; print(kept.f(), inspect.getsource(kept))"
    command = [sys.executable, "-S", "-B", "-c", code]
    assert subprocess.check_output(command, cwd=placed, text=True) == "1 def f(): return 2\n\n"


def test_second_time_comes_from_the_cache_with_the_same_bytes(library, place, tmp_path):
    (library / "module.py").write_text("x = 1\n")
    first = (place("module.py") / "module.pyc").read_bytes()
    (kept,) = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    inode = kept.stat().st_ino
    again = place("module.py", tree="again") / "module.pyc"
    assert again.read_bytes() == first
    assert again.stat().st_ino == inode


def test_other_source_or_path_is_other_bytecode(library, place):
    (library / "one.py").write_text("x = 1\n")
    (library / "two.py").write_text("x = 1\n")
    first = place("one.py", "two.py")
    assert (first / "one.pyc").read_bytes() != (first / "two.pyc").read_bytes()
    before = (first / "one.pyc").read_bytes()
    (library / "one.py").write_text("x = 3\n")
    assert (place("one.py", tree="again") / "one.pyc").read_bytes() != before


def test_many_sources_are_compiled_by_all_processors(library, place):
    names = [f"module{number}.py" for number in range(220)]
    for name in names:
        (library / name).write_text(f"x = {name!r}\n")
    assert files(place(*names)) == sorted(f"{name}c" for name in names)


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
