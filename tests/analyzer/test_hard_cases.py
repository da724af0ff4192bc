"""Small notebooks that were really executed, each with the modules that serving needs and those it must not claim."""

import json
import sys
from pathlib import Path

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.notebook import read_notebook

FILES = ("hard-cases.json", "more-cases.json")
CASES = [case for file in FILES for case in json.loads(Path(__file__).with_name(file).read_text("utf-8"))]


def document(case):
    """Write a case as its `nb` says: nbformat 3, sources as text, without metadata, of another language."""
    style = case["nb"]
    cells = [cell if isinstance(cell, dict) else {"source": cell} for cell in case["cells"]]
    written = [written_cell(cell, style) for cell in cells]
    metadata = {
        "kernelspec": {"name": style.get("kernel", "python3"), "language": style.get("lang", "python")},
        "language_info": {"name": style.get("lang", "python")},
    }
    base = {"metadata": {} if style.get("no_lang") else metadata, "nbformat_minor": 0}
    if style.get("v3"):
        return {**base, "nbformat": 3, "worksheets": [{"cells": written, "metadata": {}}]}
    return {**base, "nbformat": 4, "cells": written}


def written_cell(cell, style):
    kind = cell.get("type", "code")
    lines = cell["source"] if style.get("source_as_string") else cell["source"].splitlines(keepends=True)
    written = {"cell_type": kind, "metadata": {"tags": cell["tags"]} if "tags" in cell else {}}
    if kind == "code" and style.get("v3"):
        return {**written, "input": lines, "language": "python", "outputs": [], "collapsed": False}
    if kind == "code":
        written |= {"outputs": [], "execution_count": None}
    return {**written, "source": lines}


@pytest.fixture
def closure(tmp_path):
    def closure(case):
        path = tmp_path / "notebook.ipynb"
        path.write_text(json.dumps(document(case)), encoding="utf-8")
        for name, text in case["files"].items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
        return find_closure(read_notebook(path))

    return closure


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
