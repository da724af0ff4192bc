"""Execution decides: what was possible becomes certain or is dropped."""

from dataclasses import replace
from pathlib import Path

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.made import Global
from nbslim.analyzer.pickles import Pickled
from nbslim.analyzer.reached import Reference
from nbslim.analyzer.settle import settle, settle_pickled
from nbslim.analyzer.types import Cell, Closure, Link, Need, NeededImport, Notebook, Place, ServingEffect

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


REQUIRES = {("sklearn", "numpy"), ("sklearn", "scipy"), ("imblearn", "sklearn")}


def settled_by(before, *references):
    """Settle with references given as module, path and the libraries around it; what is direct comes back."""
    given = tuple(
        Reference(Global(module, "Name"), tuple(path.split()), frozenset(inside.split()))
        for module, path, inside in references
    )
    pickled = Pickled(frozenset(one.found.module for one in given), given, frozenset())
    after = settle_pickled(
        before, pickled, brings=lambda library, module: (library, module.partition(".")[0]) in REQUIRES
    )
    return {needed.module: needed for needed in after.imports}


def test_what_lies_only_in_objects_of_a_library_that_requires_it_has_no_reason_of_its_own():
    before = closure(("sklearn.impute.IterativeImputer", "possible"), ("numpy", "possible"))
    found = settled_by(
        before, ("sklearn.impute._iterative", "predictor imp", ""), ("numpy", "predictor imp", "sklearn")
    )
    assert list(found) == ["sklearn.impute.IterativeImputer"]


def test_what_lies_in_objects_of_a_library_that_does_not_require_it_has_its_path_as_reason():
    before = closure(("sklearn.svm.SVC", "possible"))
    path = "predictor model .fig_"
    found = settled_by(
        before, ("sklearn.svm._classes", "predictor model", ""), ("matplotlib.figure", path, "sklearn")
    )
    names = [link.name for link in found["matplotlib.figure"].why]
    assert names == ["predictor", "model", ".fig_", "matplotlib.figure.Name"]


def test_what_lies_outside_too_is_direct():
    references = [("numpy", "predictor model", "sklearn"), ("numpy", "predictor other far away", "")]
    assert list(settled_by(closure(), *references)) == ["numpy"]


def test_part_of_a_library_that_the_notebook_imports_itself_is_direct_wherever_it_lies():
    before = closure(("sklearn.linear_model.Ridge", "possible"))
    assert list(settled_by(before, ("sklearn.linear_model._ridge", "predictor model", "imblearn"))) == [
        "sklearn.linear_model.Ridge"
    ]


def test_what_a_required_library_requires_is_no_reason_either():
    assert list(settled_by(closure(), ("numpy", "predictor model", "imblearn sklearn"))) == []


def test_needs_of_functions_that_were_not_pickled_are_gone():
    needs = tuple(
        Need(name, Place(1, line), certainty, Place(1, line))
        for name, line, certainty in [("a", 1, "possible"), ("b", 2, "possible"), ("c", 3, "certain")]
    )
    before = Closure({"predictor": Place(1, 1)}, (), (), files=needs)
    after = settle(before, set(), functions={Place(1, 2)}).files
    assert [(need.name, need.certainty) for need in after] == [("b", "certain"), ("c", "certain")]


def test_possible_changes_stay_where_what_they_change_lies_in_any_object():
    effects = tuple(
        ServingEffect(changes, Place(1, 1), changes, certainty, None)
        for changes, certainty in [
            ("numpy.seterr", "possible"),
            ("torch.set_num_threads", "possible"),
            ("os.environ", "certain"),
        ]
    )
    before = Closure({"predictor": Place(1, 1)}, (), (), effects=effects)
    inside = Reference(Global("numpy", "ndarray"), ("predictor", "model"), frozenset({"sklearn"}))
    pickled = Pickled(frozenset({"numpy"}), (inside,), frozenset())
    after = settle_pickled(before, pickled, brings=lambda *_: True)
    assert after.imports == ()
    assert [(e.changes, e.certainty) for e in after.effects] == [
        ("numpy.seterr", "certain"),
        ("os.environ", "certain"),
    ]


def test_local_module_below_an_added_search_path_is_known_by_its_own_name():
    local = {"src/kit.py": ("ftfy",)}
    before = Closure(
        {"predictor": Place(1, 1)}, (), tuple(local), local_imports=local, local_roots=("", "src")
    )
    assert [needed.module for needed in settle(before, {"kit"}).imports] == []
    possible = NeededImport("ftfy", "possible", (ENTRY,))
    before = replace(before, imports=(possible,))
    assert [needed.module for needed in settle(before, {"kit"}).imports] == ["ftfy"]
