"""Notebooks that are in memory only: their cells are numbered as they are given."""

from __future__ import annotations

from pathlib import Path

from nbslim.analyzer.magics import to_python
from nbslim.analyzer.types import Cell, Notebook


def notebook_of(*cells: str, folder: Path = Path("/nowhere")) -> Notebook:
    """Return a notebook of these code cells, which lies in `folder`."""
    numbered = (Cell(n, source, to_python(source).python) for n, source in enumerate(cells, start=1))
    return Notebook(folder / "notebook.ipynb", tuple(numbered), None)
