"""What must hold for every notebook, tried on random ones; those that run are compared with what serving them loads.

`NBSLIM_EXAMPLES=5000 pytest --hypothesis-seed=1 tests/analyzer/test_properties.py` tries others, and more of them.
"""

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.names import top_of
from nbslim.analyzer.pickles import read_pickle
from nbslim.analyzer.settle import settle
from nbslim.analyzer.types import Cell, Notebook
from oracle import STUBS, Observed, Oracle
from programs import programs

LEAVE_MODULES_ALONE = frozenset({"changed imports"})
"""For cells that are unrelated to others: what changes an object of a library is not, if others use that library."""

NAMES = re.compile(r"\b[a-z]\d\w*\b(?<!\bm\d)")
TRICKY = [
    "x",
    "long_name",
    "ä",
    "fit",
    "np",
    "match",
    "case",
    "type",
    "sum",
    "id",
    "input",
    "sub",
    "_a",
    "Ω",
    "m9",
]

EXAMPLES = int(os.environ.get("NBSLIM_EXAMPLES", "200"))

some = settings(
    max_examples=EXAMPLES // 4,
    deadline=None,
    derandomize="NBSLIM_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def closure_of(cells):
    sources = tuple(Cell(number, source, source) for number, source in enumerate(cells, 1))
    return find_closure(Notebook(Path("/nowhere/model.ipynb"), sources, None))


def found(cells):
    return {(needed.module, needed.certainty) for needed in closure_of(cells).imports}


def reading(names):
    return f"def predictor(x): return [{', '.join(sorted(names))}]"


def interleaved(draw, one, other):
    """Return the cells of both, each in their order."""
    which = draw(st.permutations([0] * len(one) + [1] * len(other)))
    left = [list(one), list(other)]
    return [left[side].pop(0) for side in which]


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    with Oracle(tmp_path_factory.mktemp("stubs")) as oracle:
        yield oracle


@some
@given(programs(), st.data())
def test_new_names_change_nothing(program, data):
    before = sorted({name for cell in program.cells for name in NAMES.findall(cell)})
    after = data.draw(st.permutations([*TRICKY, *(f"name{number}" for number in range(len(before)))]))
    new = dict(zip(before, after))
    renamed = [NAMES.sub(lambda name: new[name[0]], cell) for cell in program.cells]
    assert found(renamed) == found(program.cells)


@some
@given(programs(), st.data())
def test_spelling_of_names_changes_nothing(program, data):
    def spell(name):
        # A full-width letter is the plain one in the form in which Python compares names.
        return chr(ord(name[0][0]) + 0xFEE0) + name[0][1:] if data.draw(st.booleans()) else name[0]

    spelled = [NAMES.sub(spell, cell) for cell in program.cells]
    assert found(spelled) == found(program.cells)


@some
@given(programs(predictor=False), programs(suffix="_b", predictor=False), st.data())
def test_order_of_independent_cells_changes_nothing(one, other, data):
    last = reading([*one.names, *other.names])
    shuffled = interleaved(data.draw, one.cells, other.cells)
    assert found([*shuffled, last]) == found([*one.cells, *other.cells, last])


@some
@given(programs(), programs(suffix="_b", predictor=False, exclude=LEAVE_MODULES_ALONE), st.data())
def test_unrelated_cells_change_nothing(program, other, data):
    more = [*other.cells, "import unused, unused.part as part\nfrom unused import thing", "print('done')"]
    assert found(interleaved(data.draw, program.cells, more)) == found(program.cells)


@some
@given(programs(), st.data())
def test_ends_of_cells_change_nothing(program, data):
    lines = "\n".join(program.cells)
    assert found([lines]) == found(program.cells)


@some
@given(programs(predictor=False), st.data())
def test_another_use_removes_nothing(program, data):
    names = sorted(program.names)
    few = data.draw(st.sets(st.sampled_from(names))) if names else set()
    more = few | data.draw(st.sets(st.sampled_from(names))) if names else set()
    less = found([*program.cells, reading(few)])
    for module, certainty in found([*program.cells, reading(more)]):
        less.discard((module, certainty))
        less.discard((module, "possible"))
    assert not less


@settings(some, max_examples=EXAMPLES)
@given(program=programs())
def test_closure_agrees_with_execution(oracle, program):
    observed = oracle.observe(program.cells)
    assume(isinstance(observed, Observed))  # few do not run to their end
    closure = closure_of(program.cells)
    certain = {top_of(n.module) for n in closure.imports if n.certainty == "certain" and not n.optional}
    assert observed.loaded <= {top_of(needed.module) for needed in closure.imports}
    assert certain <= observed.named
    pickled = read_pickle(observed.pickled)
    settled = settle(closure, pickled.modules, pickled.functions).imports
    left = {top_of(needed.module) for needed in settled if not needed.optional}
    assert observed.loaded <= {top_of(needed.module) for needed in settled}
    assert left.intersection(STUBS) <= observed.loaded | observed.named
