"""Small notebooks that were really executed, as files say them, and as files that nbslim reads."""

from __future__ import annotations

import json
from pathlib import Path

from support import ROOT


def read_cases(*names: str) -> list[dict]:
    """Return the cases of these files."""
    texts = (ROOT.joinpath("tests/analyzer", name).read_text("utf-8") for name in names)
    return [case for text in texts for case in json.loads(text)]


def write_case(case: dict, folder: Path) -> Path:
    """Write a case's notebook and the files beside it into `folder`; returns the notebook."""
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(document(case)), encoding="utf-8")
    for name, text in case["files"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return path


def document(case: dict) -> dict:
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


def written_cell(cell: dict, style: dict) -> dict:
    kind = cell.get("type", "code")
    lines = cell["source"] if style.get("source_as_string") else cell["source"].splitlines(keepends=True)
    written = {"cell_type": kind, "metadata": {"tags": cell["tags"]} if "tags" in cell else {}}
    if kind == "code" and style.get("v3"):
        return {**written, "input": lines, "language": "python", "outputs": [], "collapsed": False}
    if kind == "code":
        written |= {"outputs": [], "execution_count": None}
    return {**written, "source": lines}
