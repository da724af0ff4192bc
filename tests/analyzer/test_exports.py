"""Star imports: which names they bring is read in the installed module, and decides what serving needs."""

import pytest
from cells import notebook_of
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.exports import Exports

SOURCES = {
    "plain": "import os\nfrom a import b as c\ndef f(): pass\nclass C: pass\ny = _hidden = 1\nif y:\n    late = 3",
    "listed": "__all__ = ['f']\n__all__ += ['g']\ndef f(): pass\ndef other(): pass",
    "computed": "from . import parts\n__all__ = ['f'] + parts.__all__\ndef f(): pass",
    "handed_on": "from other import *\ndef f(): pass",
    "lazy": "def __getattr__(name): pass",
    "broken": "def f(:",
}


@pytest.fixture
def exports(tmp_path):
    for name, source in SOURCES.items():
        (tmp_path / f"{name}.py").write_text(source)

    def locate(module):
        return tmp_path / f"{module}.py" if module != "absent" else None

    return Exports(locate).brings


BROUGHT = {
    ("plain", "f"): True,
    ("plain", "C"): True,
    ("plain", "os"): True,
    ("plain", "c"): True,
    ("plain", "y"): True,
    ("plain", "late"): True,
    ("plain", "_hidden"): False,
    ("plain", "b"): False,
    ("listed", "f"): True,
    ("listed", "g"): True,
    ("listed", "other"): False,
    ("computed", "h"): None,
    ("handed_on", "f"): True,
    ("handed_on", "g"): None,
    ("lazy", "f"): None,
    ("broken", "f"): None,
    ("absent", "f"): None,
    ("missing", "f"): None,
}


@pytest.mark.parametrize(("module", "name"), BROUGHT)
def test_source_tells_what_a_star_import_brings(module, name, exports):
    assert exports(module, name) is BROUGHT[module, name]


@pytest.fixture
def needed(exports):
    return lambda *cells: {
        (n.module, n.certainty) for n in find_closure(notebook_of(*cells), exports=exports).imports
    }


def test_star_import_that_does_not_bring_the_name_is_not_needed(needed):
    assert needed("from plain import *\nfrom listed import *", "def predictor(x): return C(x)") == {
        ("plain", "certain")
    }


def test_last_star_import_that_brings_the_name_counts(needed):
    assert needed("from plain import *\nfrom listed import *", "def predictor(x): return f(x)") == {
        ("listed", "certain")
    }


def test_star_import_of_which_nothing_is_known_is_possible(needed):
    found = needed("from plain import *\nfrom lazy import *", "def predictor(x): return f(x)")
    assert found == {("plain", "certain"), ("lazy", "possible")}


def test_star_import_binds_a_name_again(needed):
    cells = "import lib\nf = lib.make()\nfrom plain import *", "def predictor(x): return f(x)"
    assert needed(*cells) == {("plain", "certain")}


def test_name_that_is_bound_after_the_star_import_is_the_cells_own(needed):
    cells = "from plain import *\nimport lib\nf = lib.make()", "def predictor(x): return f(x)"
    assert needed(*cells) == {("lib", "possible")}
