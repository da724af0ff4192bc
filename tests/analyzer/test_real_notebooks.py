"""Real notebooks, as distributions on PyPI ship them: each function can be served, and no import goes unmentioned.

What their cells import and define is found here without the analyzer: by nbformat, IPython and ast.
"""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbslim.analyzer.closure import find_closure, imported_modules
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.hidden import FUNCTIONS
from nbslim.analyzer.notebook import read_notebook
from sdists import Sdist, download, unpack

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PINS = tomllib.loads(Path(__file__).with_name("real-notebooks.toml").read_text("utf-8"))["sdist"]
RUN_THEIR_BODY = {"capture", "prun", "time", "timeit"}
WRITES_MODULE = re.compile(r"\A%%(?:write)?file +(\w+)\.py\b")
HIDDEN = {module for libraries in FUNCTIONS.values() for module in libraries.values()}


@dataclass(frozen=True)
class Case:
    """A notebook in a source distribution, with what we know of it from reading it."""

    sdist: Sdist
    notebook: str
    refused: str | None = None
    """Why it cannot be read."""
    fails: str | None = None
    """What is still wrong with our analysis of all its functions."""
    certain: dict[str, list[str]] = field(default_factory=dict)
    """Functions with the modules that their code runs when it is called, from outside the standard library."""
    possible: dict[str, list[str]] = field(default_factory=dict)
    """Functions with the modules that values which they read come from."""
    wrong: dict[str, str] = field(default_factory=dict)
    """Functions that we still answer wrongly, with what is wrong."""

    def __str__(self):
        return f"{self.sdist.distribution}: {self.notebook}"


CASES = [
    Case(Sdist(pin["distribution"], pin["version"], pin["sha256"]), notebook, **known)
    for pin in PINS
    for notebook, known in pin["notebooks"].items()
]


def expected_to_fail(reason):
    return [pytest.mark.xfail(reason=reason, raises=(AssertionError, NotebookError))] if reason else []


READABLE = [
    pytest.param(case, marks=expected_to_fail(case.fails), id=str(case)) for case in CASES if case.refused is None
]
READ = [
    pytest.param(case, name, marks=expected_to_fail(case.wrong.get(name)), id=f"{case}: {name}")
    for case in CASES
    for name in case.certain
]


@dataclass(frozen=True)
class Analysis:
    """What the analyzer says of one function: modules by their top-level names."""

    certain: set[str]
    possible: set[str]
    dropped: set[str]
    local: set[str]
    warnings: tuple[str, ...]

    @property
    def kept(self):
        return self.certain | self.possible


def analysis(path, entry):
    notebook = read_notebook(path)
    closure = find_closure(notebook, entries=(entry,))
    kept = {
        certainty: {top(needed.module) for needed in closure.imports if needed.certainty == certainty}
        for certainty in ("certain", "possible")
    }
    return Analysis(
        certain=kept["certain"],
        possible=kept["possible"] - kept["certain"],
        dropped={top(module) for module in imported_modules(notebook)},
        local={top(file.removesuffix(".py").replace("/", ".")) for file in closure.local_files},
        warnings=closure.warnings,
    )


def top(module):
    return module.partition(".")[0]


@dataclass
class Cells:
    """What the code cells of a notebook define and import, and which of them are no Python."""

    functions: list[str] = field(default_factory=list)
    imports: dict[str, set[int]] = field(default_factory=dict)
    """Top-level names of modules, with the numbers of the cells that import them."""
    broken: set[int] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    """Modules that `%%writefile` writes."""


def cells_of(path):
    found = Cells()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbformat's and Python's opinions of old notebooks
        document = nbformat.read(path, as_version=4)
        code = [cell.source for cell in document.cells if cell.cell_type == "code"]
        for number, source in enumerate(code, start=1):
            found.written |= set(WRITES_MODULE.findall(source))
            try:
                tree = parsed(source)
            except SyntaxError:
                found.broken.add(number)
                continue
            found.functions += [s.name for s in tree.body if isinstance(s, ast.FunctionDef)]
            for module in modules_in(tree):
                found.imports.setdefault(top(module), set()).add(number)
    found.functions = list(dict.fromkeys(found.functions))
    return found


def parsed(source):
    """Parse a cell, or what a magic such as `%%time` runs of it."""
    tree = ast.parse(TransformerManager().transform_cell(source))
    match tree.body:
        case [ast.Expr(ast.Call(ast.Attribute(attr="run_cell_magic"), [name, _, body]))]:
            runs = ast.literal_eval(name) in RUN_THEIR_BODY
            return parsed(ast.literal_eval(body)) if runs else ast.Module([], [])
    return tree


def modules_in(tree):
    for node in ast.walk(tree):
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module, _, 0):
                yield module
            case ast.Call(ast.Name("__import__" | "import_module"), [ast.Constant(str(module)), *_]):
                yield module
            case ast.Call(ast.Attribute(attr="import_module"), [ast.Constant(str(module)), *_]):
                yield module


def modules_beside(path):
    """Return the modules in a notebook's folder, each with what it imports."""
    texts = {file.stem: file.read_text("utf-8") for file in path.parent.glob("*.py")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: {top(module) for module in modules_in(ast.parse(text))} for name, text in texts.items()}


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
    cells, beside = cells_of(path), modules_beside(path)
    assert cells.functions
    with timed(str(case), len(cells.functions)):
        found = [analysis(path, name) for name in cells.functions]
    for each in found:
        named = {int(number) for warning in each.warnings for number in re.findall(r"\bcell (\d+)", warning)}
        local = each.local | beside.keys() | cells.written
        accounted = each.kept | each.dropped | local | sys.stdlib_module_names
        assert not {m: where for m, where in cells.imports.items() if m not in accounted and not where <= named}
        assert cells.broken <= named
        imported = cells.imports.keys() | {module for modules in beside.values() for module in modules}
        assert each.kept <= imported | HIDDEN


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=str)
def test_what_cannot_be_read_is_refused_by_name(case, unpacked):
    path = unpacked(case)
    with pytest.raises(NotebookError, match=re.escape(f"{path.name}: {case.refused}")):
        read_notebook(path)


@pytest.mark.parametrize(("case", "name"), READ)
def test_serving_needs_what_one_reads_in_the_notebook(case, name, unpacked):
    found = analysis(unpacked(case), name)
    assert sorted(found.certain - sys.stdlib_module_names) == case.certain[name]
    assert set(case.possible.get(name, ())) <= found.possible
