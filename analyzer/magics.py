"""A cell as its author wrote it becomes Python with the same line numbers."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from getopt import GetoptError, getopt

from nbslim.analyzer import cell_magics
from nbslim.analyzer.installs import asked, logical_lines, words
from nbslim.analyzer.line_magics import expanded, timed
from nbslim.analyzer.parsing import parses

# IPython lets these stand without their % in a cell of one line.
_AUTOMAGIC = re.compile(
    r"\s*(aimport|autoreload|cd|conda|config|env|load_ext|mamba|matplotlib|pip|prun|pylab|reload_ext|run|"
    r"set_env|time|timeit|uv)\s+\S"
)
# Comments before it are one cell's title in some editors; a line ends with a line feed alone, as to_python counts.
_CELL_MAGIC = re.compile(r"(?:\s|#[^\n]*\n)*%%(\w+|!)(?:[ \t]+([^\n]*))?[ \t\r]*(?:\n|$)")
_CALL = re.compile(r"get_ipython\(\)\.(getoutput|run_line_magic|system)\((.*)\)$")
_PASSED_TO_SHELL = {"!", "sx", "system"}
_RUN_OPTIONS = "nidtN:b:pD:l:rs:T:em:G"


@dataclass(frozen=True)
class Written:
    """A file that `%%writefile` writes; with `-a` the text is what it adds."""

    file: str
    text: str
    appended: bool = False


@dataclass(frozen=True)
class Transformed:
    """What a cell is for Python, and what else its magics say."""

    python: str
    written: Written | None = None
    installs: tuple[tuple[str, int], ...] = ()
    """What `%pip install` and its kin ask for, as lines of a requirements file, each with its line in the cell.

    An option is named without its value, which may hold a password.
    """
    runs: tuple[tuple[str, int], ...] = ()
    """The scripts and notebooks of `%run`, which bind their names in the notebook, each with its line."""


def to_python(source: str) -> Transformed:
    """Turn a cell into Python, line by line, and never fail: what is no Python is the parser's to report."""
    before, body = "", source
    while magic := _CELL_MAGIC.match(body):
        name, line = magic[1], (magic[2] or "").strip()
        newlines = magic[0].count("\n")
        bound, body = cell_magics.bindings(name, line), body[magic.end() :]
        if name == "timeit" and newlines:
            return _told(before + "\n" * (newlines - 1) + timed(_transform(body), line))
        if name not in cell_magics.PYTHON:
            return _other(source, name, line, before + _head(bound, newlines), body)
        before += _head(bound, newlines)
    return _told(before + _transform(body))


def _head(python: str, newlines: int) -> str:
    """Return the lines of a cell magic: blank ones but for the last."""
    return "\n" * (newlines - 1) + python + "\n" if newlines else python


def _other(source: str, name: str, line: str, before: str, body: str) -> Transformed:
    """Blank a cell that is not Python, and read off what else it does."""
    if name in cell_magics.COMPILED:
        return Transformed(source)  # the parser will report it: an error where serving needs what it binds
    blank = before + "\n" * body.count("\n")
    if name in cell_magics.FILE:
        return Transformed(blank, written=_written(line, body))
    if cell_magics.is_shell(name, line):
        above = before.count("\n")
        installs = ((text, above + at) for at, command in logical_lines(body) for text in asked(command))
        return Transformed(blank, installs=tuple(installs))
    # Most of the magics that others bring, and that take Python, run it in the notebook.
    if name not in cell_magics.OTHER and parses(python := before + _transform(body)):
        return _told(python)
    return Transformed(blank)


def _written(line: str, body: str) -> Written | None:
    given, options = words(line), {"-a", "--append"}
    names = [word for word in given if word not in ("", ".", *options)]
    return Written(names[0], body, appended=not options.isdisjoint(given)) if names else None


def _transform(source: str) -> str:
    start = len(source) - len(source.lstrip())
    lead = source.rfind("\n", 0, start) + 1  # IPython drops the blank lines that a cell begins with
    cell = source[lead:]
    if not cell.strip() or parses(cell):
        return source  # no magic is valid Python
    if "\n" not in cell.strip() and _AUTOMAGIC.match(cell):
        cell = f"%{cell.lstrip()}"
    try:
        from nbslim.analyzer.ipython import translated  # noqa: PLC0415 - many notebooks do without it

        python = expanded(translated(cell))
    except Exception:  # whatever it stumbles over, the parser says it better
        return source
    if not cell.endswith("\n"):
        python = python.removesuffix("\n")
    missing = cell.count("\n") - python.count("\n")
    if missing < 0:  # a character that Python's lines do not end with, and IPython's do
        return source
    return "\n" * source.count("\n", 0, lead) + python + "\n" * missing


def _told(python: str) -> Transformed:
    """Return Python with what its line magics say."""
    found = [(number, _CALL.search(line)) for number, line in enumerate(python.split("\n"), start=1)]
    calls = [(call[1], _literals(call[2]), number) for number, call in found if call]
    installs = ((text, number) for method, given, number in calls for text in asked(_command(method, given)))
    runs = ((script, number) for _, given, number in calls if (script := _script(given)))
    return Transformed(python, installs=tuple(installs), runs=tuple(runs))


def _literals(arguments: str) -> list[str]:
    """Return a call's arguments as text, or nothing where its author, not IPython, wrote the call."""
    try:
        values = ast.literal_eval(f"[{arguments}]")
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return []
    return list(map(str, values))


def _command(method: str, given: list[str]) -> str:
    is_shell = method == "run_line_magic" and given[:1] and given[0] in _PASSED_TO_SHELL
    return " ".join(given[1:] if is_shell else given)


def _script(given: list[str]) -> str | None:
    """Return the file that `%run` runs."""
    if given[:1] != ["run"]:
        return None
    try:
        options, rest = getopt(words(given[-1]), _RUN_OPTIONS)
    except GetoptError:
        return None
    module = dict(options).get("-m", "").replace(".", "/")
    script = module or next(iter(rest), "")
    return script if not script or script.endswith((".py", ".ipynb")) else f"{script}.py"
