"""Small notebooks that were really executed, each with the modules that serving needs and those it must not claim."""

import sys

import pytest
from hard_cases import read_cases, write_case
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.known_distributions import module_of
from nbslim.analyzer.notebook import read_notebook

CASES = read_cases("hard-cases.json", "more-cases.json")


@pytest.fixture
def closure(tmp_path):
    return lambda case: find_closure(read_notebook(write_case(case, tmp_path)))


def marked(case):
    """A case with a `limit` is one that the analyzer is known not to follow, and why."""
    marks = [pytest.mark.xfail(strict=True, reason=case["limit"])] if "limit" in case else []
    return pytest.param(case, id=case["id"], marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_hard_case(case, closure):
    if case.get("refuse") is True:
        blamed = "its kernel is" if "lang" in case["nb"] else r"cell \d+, line \d+"
        with pytest.raises(NotebookError, match=rf"notebook\.ipynb[,:] {blamed}"):
            closure(case)
        return
    found = closure(case)
    tops = {needed: needed.module.partition(".")[0] for needed in found.imports}
    foreign = {needed: top for needed, top in tops.items() if top not in sys.stdlib_module_names}
    sure = {top for n, top in foreign.items() if n.certainty == "certain" and not n.optional}
    by_name = {module_of(need.name) for need in found.metadata}
    assert set(case["expect"]) <= {*foreign.values(), *by_name}
    assert not set(case["forbid"]) & sure
