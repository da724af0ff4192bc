"""Libraries import some modules by name only: what makes them do so is found."""

from pathlib import Path

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.hidden import CHOICES, FUNCTIONS, OPENERS
from nbslim.analyzer.types import Cell, Link, Notebook, Place

ENTRIES = [
    (library, name, module) for name, libraries in FUNCTIONS.items() for library, module in libraries.items()
]


def needed(*sources):
    cells = tuple(Cell(number, source, source) for number, source in enumerate(sources, 1))
    closure = find_closure(Notebook(Path("/nowhere/model.ipynb"), cells, None))
    return {one.module: one for one in closure.imports}


@pytest.mark.parametrize(("library", "name", "module"), ENTRIES)
def test_function_brings_the_module_that_its_library_imports(library, name, module):
    used = needed(f"import {library} as lib", f"def predictor(x):\n    return lib.f(x).{name}")[module]
    assert (used.certainty, used.optional) == ("certain", True)
    assert used.why == (Link("predictor", Place(2, 1)), Link(name, Place(2, 2)))
    assert module in needed(f"from {library}.io import {name} as f", "def predictor(x): return f(x)")


def test_function_of_another_library_brings_nothing():
    assert needed("import other", "def predictor(x): return other.f(x).plot()").keys() == {"other"}


def test_function_in_the_history_of_a_value_brings_nothing():
    cells = ["import pandas as pd\ntable = pd.read_excel('a.xlsx')", "def predictor(x): return table"]
    assert needed(*cells).keys() == {"pandas"}


@pytest.mark.parametrize("choice", sorted(CHOICES))
def test_module_that_an_argument_chooses_is_found(choice):
    found = needed("import pandas as pd", f"def predictor(x): return pd.f(x, engine='{choice}')")
    assert found[CHOICES[choice]].optional is (choice != "pandas")  # which the cell imports itself


@pytest.mark.parametrize(
    "call", [*(f"lib.{name}('pkg.data')" for name in sorted(OPENERS)), "importlib.import_module('pkg.data')"]
)
def test_package_that_is_named_by_a_string_is_found(call):
    assert "pkg.data" in needed("import lib\nimport importlib", f"def predictor(x): return {call}")


@pytest.mark.parametrize("call", ["print('pyarrow')", "f(label='lxml')", "lib.files('a b')"])
def test_other_strings_are_no_modules(call):
    assert needed("import lib\ndef f(label): pass", f"def predictor(x): return {call}").keys() <= {"lib"}
