"""The notebook as one program: what its cells do in the order in which they run, and cells that are no Python."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from nbslim.analyzer.held import named
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.statement import Statement
from nbslim.analyzer.syntax import Aliases, statements
from nbslim.analyzer.types import Cell, Notebook, Place

_DEFINES = re.compile(r"\s*(?:async\s+)?(?:def|class)\s+(\w+)")
_IMPORTS = re.compile(r".*\bimport\b(.*)")
_ASSIGNS = re.compile(r"(?<![=!<>])=(?!=)")
_KNOWN = ("import_module", "__import__", "suppress")
_RENAMED = re.compile(r"\b(import_module|suppress)\s+as\s+(\w+)")
_ASSIGNED = re.compile(r"^\s*(\w+)\s*=\s*(?:[\w.]+\.)?(import_module|__import__)\s*$", re.MULTILINE)
_WRAPPED = re.compile(
    r"^def (\w+)\(\s*(\w+)[^)]*\)[^:\n]*:(?:(?!\n\S).)*?\b(?:import_module|__import__)\(\s*\2\b",
    re.DOTALL | re.MULTILINE,
)
_EXECUTES = re.compile(r"(?:exec|execfile|runpy\.run_path|run_path)\(.*?['\"]([\w./-]+\.py)['\"]")
_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class Broken:
    """A cell that is not Python."""

    notebook: str
    cell: Cell
    error: SyntaxError

    def __str__(self) -> str:
        place = Place(self.cell.number, self.error.lineno or 1)
        message = self.error.msg.partition("\n")[0]
        return f"{self.notebook}, {place}: {message}"

    def binds(self, names: Collection[str]) -> bool:
        """Whether its text seems to bind one of `names`: then serving may need what the cell was meant to define."""
        return any(name in names for line in self.cell.python.splitlines() for name in _bound(line))


@dataclass(frozen=True)
class Program:
    """The statements of all cells with the cells' numbers, in order, and the cells that have none to give."""

    statements: tuple[tuple[int, Statement], ...]
    broken: tuple[Broken, ...]
    local: LocalModules


def read_program(notebook: Notebook) -> Program:
    """Return what the cells of `notebook` do, without those that are tagged to be skipped."""
    found: list[tuple[int, Statement]] = []
    broken: list[Broken] = []
    local = LocalModules.beside(notebook)
    aliases = tuple(sorted(_aliases(notebook)))
    for cell in notebook.cells:
        if "skip-execution" in cell.tags:
            continue
        try:
            found += [(cell.number, statement) for statement in _statements(cell, local, aliases)]
        except SyntaxError as error:
            broken.append(Broken(notebook.path.name, cell, error))
    return Program(tuple(found), tuple(broken), local.searched(_search_path(found)))


def _aliases(notebook: Notebook) -> Iterator[tuple[str, str]]:
    """Yield the names that cells give to functions which are known by theirs, and wrappers that import for them."""
    for cell in notebook.cells:
        if any(name in cell.python for name in _KNOWN):
            yield from ((alias, name) for name, alias in _RENAMED.findall(cell.python))
            yield from ((alias, name) for alias, name in _ASSIGNED.findall(cell.python))
            for wrapper in _WRAPPED.finditer(cell.python):
                # One that goes on where the import fails is asked what is there.
                yield wrapper[1], "find_spec" if "try:" in wrapper[0] else "import_module"


def _search_path(statements: Iterable[tuple[int, Statement]]) -> Iterator[str]:
    for _, statement in statements:
        for resource in statement.resources:
            if resource.kind == "search path":
                yield from named(resource.texts, {})


def _statements(cell: Cell, local: LocalModules, aliases: Aliases) -> list[Statement]:
    """Return a cell's statements, those of the scripts and notebooks that it runs among them."""
    found = list(statements(cell.python, aliases))
    runs = [(local.statements(script), line) for script, line in (*cell.runs, *_executed(cell.python))]
    runs += [(statements(text, aliases), line) for text, line in reversed(cell.inlined)]
    for run, line in sorted(runs, key=lambda run: run[1], reverse=True):
        at = next((n for n, statement in enumerate(found) if statement.line >= line), len(found))
        found[at:at] = [statement.at(line) for statement in run]
    return found


def _executed(python: str) -> Iterator[tuple[str, int]]:
    """Yield the scripts that lines of a cell read and execute, each with its line."""
    lines = python.split("\n") if "exec" in python or "run_path" in python else []
    for number, line in enumerate(lines, start=1):
        if (script := _EXECUTES.match(line)) and not script[1].startswith("/"):
            yield script[1], number


def _bound(line: str) -> list[str]:
    """Return the names that a line of broken text may define, import or assign, or change by an item."""
    if defines := _DEFINES.match(line):
        return [defines[1]]
    if imports := _IMPORTS.match(line):
        return _WORD.findall(imports[1])
    *targets, _ = _ASSIGNS.split(line)
    return [name for target in targets for name in _WORD.findall(target)]
