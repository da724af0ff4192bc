"""An `.ipynb` file becomes a Notebook, or one clear error."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.magics import to_python
from nbslim.analyzer.types import Cell, Notebook

_FORMATS = (3, 4)


def read_notebook(path: Path) -> Notebook:
    """Read a notebook of nbformat 3 or 4; what nbformat merely finds untidy is no concern of ours."""
    document = _loaded(path)
    metadata = _table(document, "metadata")
    _refuse_other_languages(metadata, path)
    code = [cell for cell in _cells(document, path) if cell.get("cell_type") == "code"]
    cells = tuple(_cell(number, cell, path) for number, cell in enumerate(code, start=1))
    return Notebook(path, cells, _python(metadata))


def _loaded(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise NotebookError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise NotebookError(f"{path.name}: is not a notebook: it is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("nbformat"), int):
        raise NotebookError(f"{path.name}: is not a notebook: it names no nbformat")
    if document["nbformat"] not in _FORMATS:
        raise NotebookError(
            f"{path.name}: is of nbformat {document['nbformat']}, which nbslim does not read",
            hint="convert it: jupyter nbconvert --to notebook --nbformat 4",
        )
    return document


def _cells(document: dict[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """Return the cells, in the form of nbformat 4."""
    try:
        cells = _upgraded(document)["cells"] if document["nbformat"] == 3 else document.get("cells")
    except Exception as error:  # nbformat raises whatever it stumbles over
        raise NotebookError(f"{path.name}: is not a valid notebook: {_one_line(error)}") from error
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise NotebookError(f"{path.name}: is not a valid notebook: it has no list of cells")
    return cells


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    import nbformat  # noqa: PLC0415 - takes longer than reading a notebook, and few are that old

    filled = {"nbformat_minor": 0, **document, "metadata": dict(_table(document, "metadata"))}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a missing cell id, a key that the schema does not know
        upgraded: dict[str, Any] = nbformat.reads(json.dumps(filled), as_version=4)
    return upgraded


def _one_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _refuse_other_languages(metadata: Mapping[str, Any], path: Path) -> None:
    kernel = _table(metadata, "kernelspec")
    named = (kernel.get("language"), _table(metadata, "language_info").get("name"), kernel.get("name"))
    language = next((name for name in named if name), "python")
    if not str(language).lower().startswith("python"):
        raise NotebookError(
            f"{path.name}: its kernel is {language}, not Python", hint="nbslim packs Python notebooks"
        )


def _python(metadata: Mapping[str, Any]) -> str | None:
    version = re.match(r"\d+\.\d+", str(_table(metadata, "language_info").get("version")))
    return version[0] if version else None


def _cell(number: int, cell: Mapping[str, Any], path: Path) -> Cell:
    source = _source(cell, path)
    transformed = to_python(source)
    tags = _table(cell, "metadata").get("tags")
    return Cell(
        number=number,
        source=source,
        python=transformed.python,
        tags=frozenset(map(str, tags)) if isinstance(tags, list) else frozenset(),
        written=transformed.written_file,
        installs=transformed.installs,
        runs=transformed.runs,
    )


def _source(cell: Mapping[str, Any], path: Path) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise NotebookError(f"{path.name}: is not a valid notebook: a cell's source is not text")
    return "".join(lines)
