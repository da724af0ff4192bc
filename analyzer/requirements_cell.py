"""Requirements that a cell declares by assigning a literal list to `requirements`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from nbslim.analyzer.errors import NotebookError, shown
from nbslim.analyzer.parsing import parsed
from nbslim.analyzer.types import Cell, Notebook, Place, Requirements
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet

_HINT = 'write a literal list of names and versions: requirements = [["numpy", "2.1.0"], ["pandas"]]'


def from_cells(notebook: Notebook) -> Requirements | None:
    """Return what the last such cell declares; None without one. Raises NotebookError for what is not literal."""
    found = [(cell, value) for cell in notebook.cells for value in _assigned(cell)]
    if not found:
        return None
    cell, value = found[-1]
    if not isinstance(value, (ast.List, ast.Tuple)):
        raise _cell_error(notebook, cell, value, "`requirements` is not a literal list")
    specifiers = tuple(_item(notebook, cell, item) for item in value.elts)
    return Requirements(specifiers, f"cell {cell.number}")


def _assigned(cell: Cell) -> Iterator[ast.expr]:
    tree = parsed(cell.python)
    for statement in tree.body if tree else ():  # that it is no Python is reported by whoever reads the whole
        targets = (
            statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        )
        named = any(isinstance(target, ast.Name) and target.id == "requirements" for target in targets)
        if named and isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value:
            yield statement.value


def _item(notebook: Notebook, cell: Cell, item: ast.expr) -> str:
    try:
        value = ast.literal_eval(item)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        problem = f"`{shown(ast.unparse(item))}` is not a literal"
        raise _cell_error(notebook, cell, item, problem) from None
    try:
        return _specifier(value)
    except ValueError:
        problem = f"`{shown(ast.unparse(item))}` is not a requirement"
        raise _cell_error(notebook, cell, item, problem) from None


def _specifier(value: Any) -> str:
    """Join name and version; `["numpy", ">=2"]` brings its own operator."""
    name, version = _name_and_version(value)
    requirement = Requirement(name)
    if version:
        if requirement.url:
            raise InvalidRequirement("a URL has no version beside it")
        operator = "" if version[0] in "<>=!~" else "=="
        requirement.specifier &= SpecifierSet(operator + version)
    return str(requirement)


def _name_and_version(value: Any) -> tuple[str, str]:
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or len(parts) not in (1, 2):
        raise InvalidRequirement("neither a name nor a name and a version")
    name, version = parts[0], parts[-1] if len(parts) == 2 else None
    if not isinstance(name, str) or not isinstance(version, (str, type(None))):
        raise InvalidRequirement("not text")
    return name, (version or "").strip()


def _cell_error(notebook: Notebook, cell: Cell, node: ast.expr, problem: str) -> NotebookError:
    place = Place(cell.number, node.lineno)
    return NotebookError(f"{notebook.path.name}, {place}: {problem}", hint=_HINT)
