"""Small notebooks that were really executed, each with the modules that serving needs and those it must not claim."""

import sys

import pytest
from hard_cases import read_cases, write_case
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.notebook import read_notebook

CASES = read_cases("hard-cases.json", "more-cases.json")


@pytest.fixture
def closure(tmp_path):
    return lambda case: find_closure(read_notebook(write_case(case, tmp_path)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_hard_case(case, closure):
    if case.get("refuse") is True:
        blamed = "its kernel is" if "lang" in case["nb"] else r"cell \d+, line \d+"
        with pytest.raises(NotebookError, match=rf"notebook\.ipynb[,:] {blamed}"):
            closure(case)
        return
    tops = {needed: needed.module.partition(".")[0] for needed in closure(case).imports}
    foreign = {needed: top for needed, top in tops.items() if top not in sys.stdlib_module_names}
    sure = {top for n, top in foreign.items() if n.certainty == "certain" and not n.optional}
    assert set(case["expect"]) <= set(foreign.values())
    assert not set(case["forbid"]) & sure
