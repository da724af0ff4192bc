"""The whole: who may import whom, what starts other programs, what the wheel holds."""

import ast
import importlib.util
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from guests import OLDEST, guest_pythons

ROOT = Path(__file__).parents[1]
PACKAGES = ("analyzer", "packer", "runtime")
MODULES = [path.relative_to(ROOT) for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
# Copied into the notebook's environment or into the image, whatever their Python is.
GUESTS = [path for path in MODULES if path.parts[0] == "runtime" or path.name.startswith("inside_")]
BESIDES = {"inside_kernel.py": {"cloudpickle"}}
"""What is there besides the standard library where a script runs: the kernel has the runtime's distributions."""


def tree(path):
    return ast.parse((ROOT / path).read_text(), filename=str(path))


def imports(path):
    """Dotted names of all that a module imports, anywhere in it."""
    package = ["nbslim", *path.with_suffix("").parts[:-1]]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def ours(path):
    """The packages of ours that a module imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("nbslim.")}


def roots(path):
    return {name.partition(".")[0] for name in imports(path)}


def starts(path, program):
    """Whether a module writes a command line that begins with `program`, or imports a package that finds it."""
    lines = (node.elts[:1] for node in ast.walk(tree(path)) if isinstance(node, ast.List))
    return program in roots(path) or any(
        isinstance(word, ast.Constant) and word.value == program for first in lines for word in first
    )


def files(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=MODULES, ids=str)
def module(request):
    return request.param


def test_imports_follow_the_layers(module):
    allowed = {"analyzer": {"analyzer"}, "packer": {"analyzer", "packer", "runtime"}, "runtime": {"runtime"}}
    assert ours(module) <= allowed[module.parts[0]]


@pytest.mark.parametrize("guest", GUESTS, ids=str)
def test_guest_knows_only_the_runtime_and_guests_beside_it(guest):
    beside = {".".join(["nbslim", *path.with_suffix("").parts]) for path in GUESTS}
    own = [name for name in imports(guest) if name.startswith("nbslim.")]
    assert [name for name in own if name.rpartition(".")[0] not in beside and name not in beside] == []


@pytest.mark.parametrize("python", guest_pythons())
def test_guests_compile_without_warnings_on_every_python(python):
    code = "import sys; [compile(open(path).read(), path, 'exec') for path in sys.argv[1:]]"
    subprocess.run(
        [python, "-W", "error", "-I", "-S", "-c", code, *(ROOT / one for one in GUESTS)], check=True
    )


@pytest.mark.parametrize("guest", [path for path in GUESTS if path.parts[0] == "packer"], ids=str)
def test_script_that_runs_elsewhere_takes_the_standard_library_alone(guest):
    allowed = {*sys.stdlib_module_names, "nbslim"}
    assert roots(guest) - allowed <= BESIDES.get(guest.name, set())


@pytest.mark.parametrize("guest", GUESTS, ids=str)
def test_guest_parses_on_the_oldest_python(guest):
    ast.parse((ROOT / guest).read_text(), feature_version=OLDEST)


def test_runtime_requires_three_distributions_at_most():
    renamed = {"_sha256", "_sha2"}  # the standard library's, until Python 3.11 and since
    allowed = {*sys.stdlib_module_names, *renamed, "nbslim", "cloudpickle", "falcon", "waitress"}
    assert {root for path in GUESTS if path.parts[0] == "runtime" for root in roots(path)} <= allowed


def test_pickles_are_loaded_by_one_module_of_the_runtime_and_only_when_it_starts():
    runtime = [path for path in MODULES if path.parts[0] == "runtime"]
    loaders = {"pickle", "cloudpickle", "marshal", "shelve"}
    assert [str(path) for path in runtime if loaders & roots(path)] == ["runtime/bundle.py"]
    load = "nbslim.runtime.bundle.load_bundle"
    assert {path.name for path in runtime if load in imports(path)} == {"__main__.py", "replay.py"}


def test_libcst_is_behind_one_door():
    assert {str(path.parent) for path in MODULES if "libcst" in roots(path)} == {"analyzer/syntax"}


@pytest.mark.parametrize("program", ["buildah", "uv"])
def test_program_is_started_by_one_module(program):
    assert [str(path) for path in MODULES if starts(path, program)] == [f"packer/{program}.py"]


@pytest.mark.parametrize("name", PACKAGES)
def test_no_bare_name_is_importable(name):
    assert importlib.util.find_spec(name) is None


def test_wheel_holds_the_three_packages_alone(tmp_path):
    source = tmp_path / "source"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    packed = {Path("nbslim", path) for path in files(source) if path.parts[0] in PACKAGES}

    build = [sys.executable, "-m", "build", "--installer", "uv", "--outdir", tmp_path / "dist", source]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)

    [wheel] = (tmp_path / "dist").glob("*.whl")
    metadata = wheel.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    about = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE")
    with zipfile.ZipFile(wheel) as archive:
        held = {Path(name) for name in archive.namelist()}
    assert held == packed | {Path(metadata, name) for name in about}
