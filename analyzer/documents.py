"""A file becomes the document of a notebook: JSON as it is, a script as the notebook that it stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.scripts import read_script

_FORMATS = (3, 4)
# Texts that hold notebooks, and what converts them.
_CONVERTERS = {
    ".markdown": "jupytext --to ipynb",
    ".md": "jupytext --to ipynb",
    ".myst": "jupytext --to ipynb",
    ".qmd": "quarto convert",
    ".rmd": "jupytext --to ipynb",
}


def read_document(path: Path) -> dict[str, Any]:
    """Return what a notebook's file holds, or what it would hold for a script. Raises NotebookError."""
    suffix = path.suffix.lower()
    content = _content(path)
    if suffix == ".py":
        return read_script(path.name, content)
    if suffix in _CONVERTERS:
        raise NotebookError(
            f"{path.name}: is not a notebook (.ipynb) and not a Python script (.py)",
            hint=f"convert it: {_CONVERTERS[suffix]} {path.name}",
        )
    return _loaded(path.name, content)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"{path.name or path}: cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise NotebookError(f"{path.name}: is empty")
    return content


def _loaded(name: str, content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except UnicodeDecodeError as error:
        raise _no_notebook(name, "it is not UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise _no_notebook(name, "it is not JSON") from error
    version = _version(document.get("nbformat")) if isinstance(document, dict) else None
    if version is None:
        raise _no_notebook(name, "it names no nbformat")
    if version not in _FORMATS:
        raise NotebookError(
            f"{name}: is of nbformat {version}, which nbslim does not read",
            hint="convert it: jupyter nbconvert --to notebook --nbformat 4",
        )
    return {**document, "nbformat": version}


def _no_notebook(name: str, problem: str) -> NotebookError:
    hint = "nbslim reads Jupyter notebooks (.ipynb) and Python scripts (.py)"
    return NotebookError(f"{name}: is not a notebook: {problem}", hint=hint)


def _version(named: Any) -> int | None:
    """Return the major version, which some programs write as `4.0` or as text."""
    try:
        return None if isinstance(named, bool) else int(float(named))
    except (TypeError, ValueError, OverflowError):
        return None


def cells_of(document: dict[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """Return the cells of all kinds; in nbformat 3 those of all worksheets. Raises NotebookError."""
    sheets: Any = document.get("worksheets") if document["nbformat"] == 3 else [document]
    try:
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
    except (TypeError, KeyError):
        raise NotebookError(f"{path.name}: is not a valid notebook: it has no list of cells") from None
    for position, cell in enumerate(cells, start=1):
        if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
            problem = f"its cell {position}, texts counted, has no cell_type"
            raise NotebookError(f"{path.name}: is not a valid notebook: {problem}")
    return cells
