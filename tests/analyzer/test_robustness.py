"""Whatever a cell holds, the analyzer answers or says in one sentence why not: it neither crashes nor hangs."""

import json
import sysconfig
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.imports import foreign_imports
from nbslim.analyzer.notebook import read_notebook
from syntax_zoo import source

# Not test_grammar.py: libcst reads no `(a): int`.
# Nor deep patterns: two more levels of `case [[` take it four times longer.
LIBRARY = Path(sysconfig.get_path("stdlib"))
TRICKY = [
    *(f"test/test_{name}.py" for name in ("syntax", "patma", "fstring", "named_expressions", "scope")),
    *(
        f"test/test_{name}.py"
        for name in ("generators", "coroutines", "unpack_ex", "exception_group", "type_params")
    ),
    *("typing.py", "dataclasses.py", "this.py", "antigravity.py"),
]
ENTRY = "def predictor(x): return x"

some = settings(
    deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck), max_examples=40
)


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory):
    path = tmp_path_factory.mktemp("notebook") / "model.ipynb"

    def analyzed(*cells):
        """Return the closure of a notebook on disk, as the command reads it; None if it is refused in one line."""
        code = [{"cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
        document = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": code}
        path.write_text(json.dumps(document), encoding="utf-8")
        try:
            notebook = read_notebook(path)
            foreign_imports(notebook)
            return find_closure(notebook)
        except NotebookError:
            return None

    return analyzed


@pytest.mark.parametrize("name", TRICKY)
def test_sources_of_python_itself_are_read(name, analyzed):
    if not (LIBRARY / name).is_file():
        pytest.skip("this Python comes without it")
    closure = analyzed((LIBRARY / name).read_text("utf-8"), ENTRY)
    assert not any("parser error" in warning for warning in closure.warnings)


@some
@given(cells=st.lists(source(), min_size=1, max_size=3))
def test_valid_cells_are_read(analyzed, cells):
    closure = analyzed(*cells, ENTRY)  # None where a cell holds what only Jupyter can run
    assert closure is None or not any("parser error" in warning for warning in closure.warnings)


@some
@given(
    cells=st.lists(
        st.text(alphabet="ab=(:)'\"\\\n\r\t #%!?\f\x0b\0\x85\u2028\ufeff\ud800\uff58{}[]def", max_size=60)
    )
)
@example(cells=["\ufeffx = 1"])
@example(cells=["x = 1\r\ry = '\x0c'"])
@example(cells=["%%time\n%time x = !ls?\n?x\n%%bash"])
def test_odd_text_is_read_or_refused(analyzed, cells):
    analyzed(*cells, ENTRY)


@some
@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@example(content=b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": [1]}]}')
@example(content=b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": null}]}')
@example(content=b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": "x", "metadata": []}]}')
@example(content=b'{"nbformat": 3, "worksheets": 1}')
@example(content=b"[" * 100_000)
def test_odd_files_are_refused_in_one_line(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "odd.ipynb"
    path.write_bytes(content)
    try:
        find_closure(read_notebook(path))
    except NotebookError as error:
        message = str(error)
    else:
        message = ""
    assert "\n" not in message


DEEP = {
    "parentheses": "x = " + "(" * 5000 + "1" + ")" * 5000,
    "attributes": "x = a" + ".b" * 5000,
    "calls": "x = a" + ".b()" * 300,
    "signs": "x = " + "-" * 20_000 + "1",
    "a sum": "x = " + " + ".join(["a"] * 900),
    "a condition": "x = " + " and ".join(["a"] * 900),
    "branches": "if a: pass\n" + "\n".join(f"elif a == {n}: x = {n}" for n in range(300)),
    "functions": "\n".join(" " * n + "def f():" for n in range(95)) + "\n" + " " * 95 + "pass",
    "comprehensions": "x = " + "[" * 19 + "1" + " for a in b]" * 19,
    "targets": " = ".join(f"a{n}" for n in range(300)) + " = 1",
}


@pytest.mark.parametrize("cell", DEEP.values(), ids=DEEP)
def test_deep_nesting_is_read_or_a_warning(cell, analyzed):
    assert analyzed(cell, ENTRY) is not None
