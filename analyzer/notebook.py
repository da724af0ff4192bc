"""An `.ipynb` file or a Python script becomes a Notebook, or one clear error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.loading import loaded
from nbslim.analyzer.magics import Transformed, Written, to_python
from nbslim.analyzer.scripts import read_script
from nbslim.analyzer.types import Cell, Notebook

_FORMATS = (3, 4)
# Texts that hold notebooks, and what converts them.
_CONVERTERS = {
    ".markdown": "jupytext --to ipynb",
    ".md": "jupytext --to ipynb",
    ".myst": "jupytext --to ipynb",
    ".qmd": "quarto convert",
    ".rmd": "jupytext --to ipynb",
}
_SKIPPED = "skip-execution"
# nbdev and quarto say it in a comment that the cell begins with.
_NOT_EVALUATED = re.compile(r"(?:\s*#.*\n)*\s*#\s*\|\s*eval\s*:\s*false\b", re.IGNORECASE)


def read_notebook(path: Path) -> Notebook:
    """Read a notebook of nbformat 3 or 4, or a script; what nbformat finds untidy is no concern of ours."""
    document = _document(path)
    metadata = _table(document, "metadata")
    _refuse_other_languages(metadata, path)
    code = [cell for cell in _cells(document, path) if cell["cell_type"] == "code"]
    return Notebook(path, tuple(_read_cells(code, path)), _python(metadata))


def _document(path: Path) -> dict[str, Any]:
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


def _cells(document: dict[str, Any], path: Path) -> list[Mapping[str, Any]]:
    """Return the cells; in nbformat 3 those of all worksheets."""
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


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _refuse_other_languages(metadata: Mapping[str, Any], path: Path) -> None:
    kernel = _table(metadata, "kernelspec")
    shown = str(kernel.get("display_name"))
    name = shown if "python" in shown.lower() else kernel.get("name")
    old = metadata.get("language")  # of nbformat 3
    named = (kernel.get("language"), _table(metadata, "language_info").get("name"), old, name)
    language = str(next(filter(None, named), "python"))
    if "python" not in language.lower():
        raise NotebookError(
            f"{path.name}: its kernel is {language}, not Python", hint="nbslim packs Python notebooks"
        )


def _python(metadata: Mapping[str, Any]) -> str | None:
    version = re.match(r"\d+\.\d+", str(_table(metadata, "language_info").get("version")))
    return version[0] if version else None


def _read_cells(code: list[Mapping[str, Any]], path: Path) -> Iterator[Cell]:
    files: dict[str, str] = {}
    for number, cell in enumerate(code, start=1):
        source = loaded(_source(cell, number, path), path.parent)
        tags = _tags(cell, source)
        skipped = Transformed("\n" * source.count("\n"))
        transformed = skipped if _SKIPPED in tags else to_python(source)
        yield Cell(
            number=number,
            source=source,
            python=transformed.python,
            tags=tags,
            written=_file(transformed.written, files, path.parent),
            installs=transformed.installs,
            runs=transformed.runs,
        )


def _tags(cell: Mapping[str, Any], source: str) -> frozenset[str]:
    listed = _table(cell, "metadata").get("tags")
    tags = frozenset(map(str, listed)) if isinstance(listed, list) else frozenset()
    return tags | {_SKIPPED} if _NOT_EVALUATED.match(source) else tags


def _file(written: Written | None, files: dict[str, str], folder: Path) -> tuple[str, str] | None:
    """Return name and whole text of a file once a cell has written it; `files` are those of the cells before."""
    if written is None:
        return None
    name, text = written.file, written.text
    if written.appended:
        text = (files[name] if name in files else _text(folder / name)) + text
    files[name] = text
    return name, text


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError):  # it is not there yet, or no text to add to
        return ""


def _source(cell: Mapping[str, Any], number: int, path: Path) -> str:
    source = cell.get("source", cell.get("input", ""))  # its name in nbformat 3
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise NotebookError(f"{path.name}, cell {number}: is not a valid cell: its source is not text")
    return "".join(lines)
