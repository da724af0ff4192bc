"""An `.ipynb` file or a Python script becomes a Notebook, or one clear error."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nbslim.analyzer.documents import cells_of, read_document
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.loading import loaded
from nbslim.analyzer.magics import Transformed, Written, to_python
from nbslim.analyzer.parsing import parses
from nbslim.analyzer.types import Cell, Notebook

_SKIPPED = "skip-execution"
# nbdev and quarto say it in a comment that the cell begins with.
_NOT_EVALUATED = re.compile(r"(?:\s*#.*\n)*\s*#\s*\|\s*eval\s*:\s*false\b", re.IGNORECASE)


def read_notebook(path: Path) -> Notebook:
    """Read a notebook of nbformat 3 or 4, or a script; what nbformat finds untidy is no concern of ours."""
    return _read(path, frozenset())


def _read(path: Path, running: frozenset[Path]) -> Notebook:
    document = read_document(path)
    metadata = _table(document, "metadata")
    _refuse_other_languages(document, path)
    code = [cell for cell in cells_of(document, path) if cell["cell_type"] == "code"]
    running |= {path.resolve()}
    cells = tuple(_with_notebooks(cell, path, running) for cell in _read_cells(code, path))
    return Notebook(path, cells, _python(metadata))


def _table(parent: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _refuse_other_languages(document: Mapping[str, Any], path: Path) -> None:
    metadata = _table(document, "metadata")
    kernel = _table(metadata, "kernelspec")
    shown = str(kernel.get("display_name"))
    name = shown if "python" in shown.lower() else kernel.get("name")
    old = metadata.get("language") if document["nbformat"] == 3 else None
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


def _with_notebooks(cell: Cell, path: Path, running: frozenset[Path]) -> Cell:
    """Add what those notebooks do that the cell runs; those that are `running` would not end if they ran again."""
    scripts = tuple(run for run in cell.runs if not run[0].endswith(".ipynb"))
    whole = replace(cell, runs=scripts)
    for name, line in cell.runs:
        other = path.parent / name
        if (name, line) in scripts or other.resolve() in running or not other.is_file():
            continue
        for inner in _read(other, running).cells:
            text = inner.python if parses(inner.python) else ""
            whole = replace(
                whole,
                installs=(*whole.installs, *_at(line, inner.installs)),
                runs=(*whole.runs, *_at(line, inner.runs)),
                inlined=(*whole.inlined, (text, line), *_at(line, inner.inlined)),
            )
    return whole


def _at(line: int, texts: Iterable[tuple[str, int]]) -> Iterator[tuple[str, int]]:
    return ((text, line) for text, _ in texts)


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
