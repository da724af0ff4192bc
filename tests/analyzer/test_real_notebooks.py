"""Real notebooks, as distributions on PyPI ship them: each function can be served, and no import goes unmentioned.

What their cells import and define is found here without the analyzer: by nbformat, IPython and ast.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import re
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbslim.analyzer.hidden import FUNCTIONS
from nbslim.packer.cli import main
from sdists import Sdist, download, unpack

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PINS = tomllib.loads(Path(__file__).with_name("real-notebooks.toml").read_text("utf-8"))["sdist"]
FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
HIDDEN = {module for libraries in FUNCTIONS.values() for module in libraries.values()}


@dataclass(frozen=True)
class Case:
    """A notebook in a source distribution, with what we know of it from reading it."""

    sdist: Sdist
    notebook: str
    refused: str | None = None
    """Why it cannot be read."""
    certain: dict[str, list[str]] = field(default_factory=dict)
    """Functions with the modules that their code runs when it is called, from outside the standard library."""
    possible: dict[str, list[str]] = field(default_factory=dict)
    """Functions with the modules that values which they read come from."""

    def __str__(self):
        return f"{self.sdist.distribution}: {self.notebook}"


CASES = [
    Case(Sdist(pin["distribution"], pin["version"], pin["sha256"]), notebook, **known)
    for pin in PINS
    for notebook, known in pin["notebooks"].items()
]


READABLE = [pytest.param(case, id=str(case)) for case in CASES if case.refused is None]
READ = [pytest.param(case, name, id=f"{case}: {name}") for case in CASES for name in case.certain]


@dataclass(frozen=True)
class Analysis:
    """What `nbslim analyze` says of one function: modules by their top-level names."""

    document: dict

    @property
    def kept(self):
        return self._of_serving("certain") | self._of_serving("possible")

    @property
    def certain(self):
        return self._of_serving("certain")

    def _of_serving(self, certainty):
        serving = [each for each in self.document["serving"] if each["certainty"] == certainty]
        return {module for each in serving for module in each["imports"]}

    @property
    def accounted(self):
        """What cells import, by its whole name, and is kept, dropped, local or standard."""
        owners = {each["name"] for each in (*self.document["serving"], *self.document["dropped"])}
        known = [each for each in self.document["imports"] if each["distribution"] in {*owners, None}]
        return {each["module"] for each in known}

    @property
    def explained(self):
        """The cells that a warning names."""
        named = (re.findall(r"\bcell (\d+)", warning) for warning in self.document["warnings"])
        return {int(number) for numbers in named for number in numbers}


def analysis(path, entry):
    code, told, wrong = run("analyze", path, "--offline", "--json", "--entry", entry)
    assert code == 0, wrong
    return Analysis(json.loads(told))


def run(*arguments):
    told, wrong = io.StringIO(), io.StringIO()
    code = main([str(argument) for argument in arguments], stdout=told, stderr=wrong)
    return code, told.getvalue(), wrong.getvalue()


def top(module):
    return module.partition(".")[0]


@dataclass
class Cells:
    """What the code cells of a notebook define and import, and which of them are no Python."""

    functions: list[str] = field(default_factory=list)
    imports: set[str] = field(default_factory=set)
    """Whole names of what is imported."""
    elsewhere: set[str] = field(default_factory=set)
    """Modules that magics may import, in this process or in another."""
    broken: set[int] = field(default_factory=set)


def cells_of(path):
    found = Cells()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's and Python's opinions of old notebooks
        document = nbformat.read(path, as_version=4)
        code = [cell.source for cell in document.cells if cell.cell_type == "code"]
        for number, source in enumerate(code, start=1):
            try:
                tree = ast.parse(TransformerManager().transform_cell(source))
            except SyntaxError:
                found.broken.add(number)
                continue
            found.functions += [s.name for s in tree.body if isinstance(s, FUNCTION)]
            found.imports.update(imported_in(tree))
            found.elsewhere |= {top(name) for body in handed_to_magics(tree) for name in imported_in(body)}
    found.functions = list(dict.fromkeys(found.functions))
    return found


def handed_to_magics(tree):
    """Yield what cell magics are handed, as far as it is Python."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(ast.Attribute(attr="run_cell_magic"), [_, _, ast.Constant(str(body))]):
                with contextlib.suppress(SyntaxError):
                    yield ast.parse(TransformerManager().transform_cell(body))


def imported_in(tree):
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, names, 0):
                yield from (module if alias.name == "*" else f"{module}.{alias.name}" for alias in names)
            case ast.Call(ast.Name("__import__" | "import_module"), [ast.Constant(str(module)), *_]):
                yield module
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(module)), *_]):
                yield module


def modules_beside(path):
    """Return what the modules in a notebook's folder import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trees = [ast.parse(file.read_text("utf-8")) for file in path.parent.glob("*.py")]
    return {top(name) for tree in trees for name in imported_in(tree)}


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory, request):
    """Return where a case's notebook lies; the first that asks makes all sdists of this run be downloaded."""
    params = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    selected = [known["case"] for known in params if isinstance(known.get("case"), Case)]
    download(list(dict.fromkeys(case.sdist for case in selected)))
    folders = {}

    def unpacked(case):
        if case.sdist not in folders:
            notebooks = [each.notebook for each in CASES if each.sdist == case.sdist]
            folder = tmp_path_factory.mktemp(case.sdist.distribution)
            folders[case.sdist] = unpack(case.sdist, notebooks, folder)
        return folders[case.sdist] / case.notebook

    return unpacked


@pytest.mark.parametrize("case", READABLE)
def test_each_import_of_each_cell_is_kept_dropped_or_explained(case, unpacked, timed):
    path = unpacked(case)
    cells = cells_of(path)
    assert cells.functions
    with timed(str(case), len(cells.functions)):
        found = [analysis(path, name) for name in cells.functions]
    for each in found:
        assert cells.imports <= each.accounted
        assert cells.broken <= each.explained
        assert each.kept <= HIDDEN | cells.elsewhere | modules_beside(path) | set(map(top, cells.imports))


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=str)
def test_what_cannot_be_read_is_refused_by_name(case, unpacked):
    path = unpacked(case)
    code, told, wrong = run("analyze", path, "--offline", "--entry", "predictor")
    assert (code, told) == (3, "")
    assert f"{path.name}: {case.refused}" in wrong


@pytest.mark.parametrize(("case", "name"), READ)
def test_serving_needs_what_one_reads_in_the_notebook(case, name, unpacked):
    found = analysis(unpacked(case), name)
    assert sorted(found.certain - sys.stdlib_module_names) == case.certain[name]
    assert set(case.possible.get(name, ())) <= found.kept - found.certain
