"""What the documents show is what nbslim says: examples are run, tables are compared with the code."""

import ast
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from nbslim.analyzer import Closure, NbslimError, find_closure, read_notebook
from nbslim.analyzer.names import is_standard
from nbslim.packer.cli import main
from nbslim.runtime.bundle import Bundle
from nbslim.runtime.decode import KINDS
from nbslim.runtime.metrics import METRICS
from nbslim.runtime.openapi import openapi
from nbslim.runtime.settings import variables
from support import ROOT, run_nbslim

PAGE = (ROOT / "docs/analysis.md").read_text()
FENCE = re.compile(r"^```(?P<kind>python|console)\n(?P<body>[^`]*)^```$", re.MULTILINE)
INSTALLED = re.compile(r"where (\w+) is installed:")


@dataclass(frozen=True)
class Example:
    """Cells, what is said of them, and the line of the page where they stand."""

    cells: str
    said: tuple[str, ...]
    line: int

    def __str__(self) -> str:
        return f"line {self.line}"


def examples(kind: str) -> Iterator[Example]:
    """Yield the scripts with what the page tells of them (`python`), or with a command and its output (`console`)."""
    cells = ""
    for fence in FENCE.finditer(PAGE):
        lines = fence["body"].splitlines()
        said = [line for line in lines if fence["kind"] == "console" or line.startswith("#> ")]
        if fence["kind"] == "python":
            cells = "".join(f"{line}\n" for line in lines if line not in said)
        if fence["kind"] == kind and said:
            told = tuple(line.removeprefix("#> ") for line in said)
            yield Example(cells, told, PAGE.count("\n", 0, fence.start()) + 1)


def found(closure: Closure) -> Iterator[str]:
    """Tell what is in a closure, a line each, as the page does."""
    for one in closure.imports:
        if not is_standard(one.module):
            chain = " → ".join(f"{link.name} ({link.place})" for link in one.why)
            yield f"{one.module}, {one.certainty}{', optional' if one.optional else ''}: {chain}"
    for effect in closure.effects:
        yield f"effect on {effect.changes}, {effect.certainty}: {effect.place}"
    kinds = {
        "file": closure.files,
        "environment variable": closure.environment_variables,
        "program": closure.programs,
        "metadata of": closure.metadata,
        "entry points": closure.entry_point_groups,
        "opaque": closure.opaque,
    }
    for kind, needs in kinds.items():
        yield from (f"{kind} {need.name}, {need.certainty}: {need.place}" for need in needs)
    yield from (f"warning: {warning}" for warning in closure.warnings)


def outcome(path, installed=None) -> list[str]:
    """Tell what is found where only one module is `installed`, or where it is not known what is."""
    try:
        closure = find_closure(
            read_notebook(path), provides=lambda m: None if installed is None else m == installed
        )
    except NbslimError as error:
        return [f"error: {error}", *([f"hint: {error.hint}"] if error.hint else [])]
    return list(found(closure)) or ["nothing"]


@pytest.fixture
def script(tmp_path):
    def script(cells):
        path = tmp_path / "notebook.py"
        path.write_text(cells)
        return path

    return script


@pytest.mark.parametrize("example", [*examples("python")], ids=str)
def test_cells_need_what_the_page_says_and_nothing_else(example, script):
    path = script(example.cells)
    told = outcome(path)
    for line in example.said:
        if installed := INSTALLED.fullmatch(line):
            told += [line, *outcome(path, installed[1])]
    assert told == list(example.said)


@pytest.mark.parametrize("example", [*examples("console")], ids=str)
def test_command_prints_the_lines_that_the_page_shows(example, script):
    path = script(example.cells)
    command, *lines = example.said
    words = command.removeprefix("$ nbslim ").split()
    result = run_nbslim(*(path if word == path.name else word for word in words))
    printed = iter(result.stdout.splitlines())
    for line in lines:
        # spaces align columns, and `…` stands for what differs
        shown = r"\s+".join(re.escape(word).replace("…", ".*") for word in line.split())
        assert any(re.fullmatch(rf"\s*{shown}", other) for other in printed), (line, result)


def fields(value, name=""):
    """Yield the names of all that a JSON document holds, as the page's table writes them."""
    if isinstance(value, dict) and name != "entry_points":
        for key, inner in value.items():
            yield from fields(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict) and not name.endswith("chains"):
        for one in value:
            yield from fields(one, f"{name}[]")
    else:
        yield name


def test_table_of_the_document_names_every_field(script):
    cells = """requirements = ["six"]
import numpy, os, subprocess
numpy.seterr(all="raise")
def predictor(x):
    subprocess.run(["dot"])
    return numpy.load("a.npy") + float(os.environ["A"]) + eval(x)
"""
    out = io.StringIO()
    assert main(["analyze", "--offline", "--json", str(script(cells))], stdout=out) == 0
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.partition("## The JSON document")[2], re.MULTILINE)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert sorted(named) == sorted(set(fields(json.loads(out.getvalue()))))


def table(section):
    """Return the rows of the first table of a section of docs/serving.md, without its head."""
    text = (ROOT / "docs/serving.md").read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_table_of_variables_is_that_of_the_runtime():
    shown = [[f"`{one.name}`", f"`{one.default}`", one.about] for one in variables()]
    assert table("Variables") == shown


def test_table_of_metrics_is_that_of_the_runtime():
    assert table("Metrics") == [
        [f"`{one.name}`", one.type, f"`{one.label}`" if one.label else "", one.help] for one in METRICS
    ]


def kinds():
    """Yield the kinds of problems that the runtime names, as its sources spell them."""
    yield from KINDS
    for path in (ROOT / "runtime").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "Problem":
                yield from texts(node.args[1])
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "_TITLES":
                yield from (kind.value for pair in node.value.values for kind in pair.elts[:1])


def texts(node):
    """Yield the texts that an expression may be; the step of scoring that failed is part of one."""
    if isinstance(node, ast.JoinedStr):
        end = node.values[-1].value
        yield from (f"{step}{end}" for step in ("validator", "predictor", "encoder"))
    elif isinstance(node, ast.IfExp):
        yield from (*texts(node.body), *texts(node.orelse))
    elif isinstance(node, ast.Constant):
        yield node.value


def test_table_of_problems_names_every_type():
    found = [f"`urn:nbslim:{kind}`" if kind else "`about:blank`" for kind in kinds()]
    assert sorted(row[0] for row in table("Problems")) == sorted(set(found))


def test_endpoints_are_those_of_the_openapi_document():

    told = openapi(Bundle(lambda x: x, name="model", python="3.11", samples=()))["paths"]
    documented = [
        cell for row in table("Endpoints") for cell in re.findall(r"`(?:GET|POST) ([^`]+)`", row[0])
    ]
    assert sorted(documented) == sorted(told)
