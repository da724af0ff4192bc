"""Small notebooks, one for each construct: the closure has what serving them really loads, and is certain of no more.

`constructs.txt` holds one after the other. `[not yet]` marks those for which that does not hold; the test fails as soon
as it does, so that the mark goes.
"""

import re
from pathlib import Path

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.names import top_of
from nbslim.analyzer.types import Cell, Notebook
from oracle import STUBS, Observed, Oracle

TEXT = Path(__file__).with_name("constructs.txt").read_text("utf-8")
CASES = dict(re.findall(r"^# %% (.+)\n((?:(?!# %%).*\n)+)", TEXT, re.MULTILINE))
NOT_YET = pytest.mark.xfail(strict=True, raises=AssertionError, reason="the closure does not follow it")


def case(title):
    return pytest.param(CASES[title], id=title, marks=[NOT_YET] if title.endswith(" [not yet]") else [])


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    with Oracle(tmp_path_factory.mktemp("stubs")) as oracle:
        yield oracle


@pytest.mark.parametrize("source", [case(title) for title in CASES])
def test_construct(source, oracle):
    observed = oracle.observe([source])
    if not isinstance(observed, Observed):
        pytest.fail(observed)
    notebook = Notebook(Path("/nowhere/model.ipynb"), (Cell(1, source, source),), None)
    found = {needed for needed in find_closure(notebook).imports if top_of(needed.module) in STUBS}
    assert observed.loaded <= {top_of(needed.module) for needed in found}
    assert {top_of(n.module) for n in found if n.certainty == "certain"} <= observed.named
