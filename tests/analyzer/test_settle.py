"""Execution decides: what was possible becomes certain or is dropped."""

from pathlib import Path

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.settle import settle
from nbslim.analyzer.types import Cell, Closure, Link, NeededImport, Notebook, Place

ENTRY = Link("predictor", Place(1, 1))


def closure(*imports, local_imports=None):
    needed = [
        NeededImport(module, certainty, (ENTRY, Link(module, Place(1, 2)))) for module, certainty in imports
    ]
    local = local_imports or {}
    return Closure({"predictor": Place(1, 1)}, tuple(needed), tuple(local), local_imports=local)


def settled(*given, **more):
    return [needed.module for needed in settle(*given, **more).imports]


def test_possible_imports_stay_where_the_pickle_names_their_top_level_module():
    before = closure(("json", "certain"), ("pandas", "possible"), ("sklearn.cluster.KMeans", "possible"))
    after = settle(before, {"sklearn.cluster._kmeans"})
    assert [(n.module, n.certainty) for n in after.imports] == [
        ("json", "certain"),
        ("sklearn.cluster.KMeans", "certain"),
    ]
    assert after.imports[1].why == before.imports[2].why


def test_module_that_the_closure_did_not_know_has_the_entry_point_as_its_reason():
    (needed,) = settle(closure(), {"numpy._core.multiarray"}).imports
    assert needed == NeededImport("numpy._core.multiarray", "certain", (ENTRY,))


def test_modules_of_a_shared_name_are_told_apart():
    before = closure(("google.cloud.storage", "possible"), ("google.auth", "possible"))
    assert settled(before, {"google.auth.credentials", "google.protobuf.message"}) == [
        "google.auth",
        "google.protobuf.message",
    ]


@pytest.mark.parametrize(
    ("pickled", "kept"),
    [
        ({"kit.clean"}, ["ftfy", "regex"]),
        ({"kit"}, ["ftfy"]),
        ({"other"}, ["other"]),
    ],
)
def test_local_module_brings_what_it_imports(pickled, kept):
    local = {
        "kit/__init__.py": ("kit/words.py",),
        "kit/words.py": ("ftfy", "kit/__init__.py"),
        "kit/clean.py": ("regex",),
    }
    before = closure(("ftfy", "possible"), ("regex", "possible"), local_imports=local)
    assert settled(before, pickled) == kept


CELLS = (
    "def train():\n    import xgboost\n    return 1",
    "model = train()",
    "class Clean:\n    def __call__(self, x):\n        import regex\n        return x",
    "predictor = Clean() if model else None",
)


def of_cells():
    cells = tuple(Cell(number, source, source) for number, source in enumerate(CELLS, 1))
    return find_closure(Notebook(Path("/nowhere/model.ipynb"), cells, None))


def test_what_a_function_imports_stays_if_the_function_was_pickled():
    assert settled(of_cells(), set(), functions={Place(3, 2)}) == ["regex"]


def test_what_a_function_imports_stays_where_nobody_knows_which_were_pickled():
    assert settled(of_cells(), set()) == ["regex", "xgboost"]


def test_what_a_library_imports_for_a_function_stays_if_the_function_was_pickled():
    source = "import pandas as pd\nclass Read:\n    def __call__(self, x): return pd.read_excel(x)\npredictor = Read()"
    before = find_closure(Notebook(Path("/nowhere/model.ipynb"), (Cell(1, source, source),), None))
    assert settled(before, {"pandas"}, functions={Place(1, 3)}) == ["openpyxl", "pandas"]
    assert settled(before, {"pandas"}, functions=()) == ["pandas"]
