"""A cell as its author wrote it becomes Python with the same line numbers."""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

# Cell magics that run their body as Python in the notebook's own namespace.
_BODY_IS_PYTHON = {
    "capture",
    "debug",
    "lprun",
    "memit",
    "mprun",
    "prun",
    "scalene",
    "snakeviz",
    "time",
    "timeit",
}
_BODY_IS_SHELL = {"!", "bash", "sh", "sx", "system"}
_BODY_IS_FILE = {"file", "writefile"}

# IPython lets these stand without their % in a cell of one line.
_AUTOMAGIC = re.compile(
    r"\s*(autoreload|cd|conda|config|env|load_ext|mamba|matplotlib|pip|reload_ext|uv)\s+\S"
)
_CELL_MAGIC = re.compile(r"[ \t]*%%(\w+|!)(?:[ \t]+(.*))?\s*")
_CALL = re.compile(r"get_ipython\(\)\.(getoutput|run_line_magic|system)\((.*)\)$")
_TIMED = re.compile(r"((?:[^'\"#]*=)?\s*)get_ipython\(\)\.run_line_magic\('time', (.*)\)$")

_PIP = re.compile(r"(?:.*/)?pip[\d.]*")
_BEFORE_PIP = {"-m", "sudo", "uv"}
_SEPARATORS = {"&", "&&", ";", "|", "||"}
_REDIRECTION = re.compile(r"#|\d*[<>](?!=)|&>")
_FILE_OPTIONS = {"-r", "--requirement", "--requirements"}
# What stands after these is their value and no requirement.
_VALUE_OPTIONS = (
    _FILE_OPTIONS
    | {"-c", "--constraint", "-e", "--editable", "-f", "--find-links", "-t", "--target", "-p", "--python"}
    | {"-i", "--index-url", "--extra-index-url", "--index", "--default-index", "--trusted-host", "--proxy"}
    | {"--prefix", "--root", "--platform", "--python-version", "--implementation", "--abi", "--no-binary"}
    | {"--only-binary", "--progress-bar", "--timeout", "--retries", "--cert", "--cache-dir"}
)


@dataclass(frozen=True)
class Transformed:
    """What a cell is for Python, and what else its magics say."""

    python: str
    written_file: tuple[str, str] | None = None
    """Name and content of what `%%writefile` writes; with `-a` the content is what it adds."""
    installs: tuple[tuple[str, int], ...] = ()
    """What `%pip install` and its kin ask for, as lines of a requirements file, each with its line in the cell.

    An option is named without its value, which may hold a password.
    """
    runs: tuple[tuple[str, int], ...] = ()
    """The scripts of `%run`, which bind their names in the notebook, each with its line."""


def to_python(source: str) -> Transformed:
    """Turn a cell into Python, line by line, and never fail: what is no Python is the parser's to report."""
    blank, body = "", source
    while magic := _CELL_MAGIC.fullmatch(_first_line(body)):
        name, line = magic[1], magic[2] or ""
        head, body = _split_first_line(body)
        blank += head
        if name not in _BODY_IS_PYTHON:
            return _opaque(name, line, blank, body)
    python = blank + _transform(body)
    return Transformed(python, installs=tuple(_installs(python)), runs=tuple(_runs(python)))


def _first_line(text: str) -> str:
    return text.lstrip().partition("\n")[0]


def _split_first_line(text: str) -> tuple[str, str]:
    """Cut after the first line that is not blank; what is cut off keeps its newlines only."""
    start = len(text) - len(text.lstrip())
    end = text.find("\n", start) + 1 or len(text)
    return _newlines(text[:end]), text[end:]


def _newlines(text: str) -> str:
    return "\n" * text.count("\n")


def _opaque(name: str, line: str, blank: str, body: str) -> Transformed:
    """Blank a cell that is not Python, and read off what else it does."""
    python = blank + _newlines(body)
    if name in _BODY_IS_FILE:
        return Transformed(python, written_file=_written(line, body))
    if name in _BODY_IS_SHELL:
        start = blank.count("\n") + 1
        commands = enumerate(body.split("\n"), start=start)
        return Transformed(
            python, installs=tuple((text, at) for at, line in commands for text in _asked(line))
        )
    return Transformed(python)


def _written(line: str, body: str) -> tuple[str, str] | None:
    names = [word for word in _words(line) if word not in ("", ".", "-a", "--append")]
    return (names[0], body) if names else None


def _transform(source: str) -> str:
    start = len(source) - len(source.lstrip())
    lead = source.rfind("\n", 0, start) + 1  # IPython drops the blank lines that a cell begins with
    cell = source[lead:]
    if not cell.strip() or _parses(cell):
        return source  # no magic is valid Python
    if "\n" not in cell.strip() and _AUTOMAGIC.match(cell):
        cell = f"%{cell.lstrip()}"
    try:
        from nbslim.analyzer.ipython import translated  # noqa: PLC0415 - many notebooks do without it

        python = translated(cell)
    except Exception:  # whatever it stumbles over, the parser says it better
        return source
    if not cell.endswith("\n"):
        python = python.removesuffix("\n")
    python = "\n".join(_untimed(line) for line in python.split("\n"))
    return _newlines(source[:lead]) + python + "\n" * (cell.count("\n") - python.count("\n"))


def _untimed(line: str) -> str:
    """Turn `%time model = fit()`, which binds a name, back into its statement."""
    if not (timed := _TIMED.fullmatch(line)):
        return line
    statement = timed[1] + "".join(_literals(timed[2]))
    return statement if _parses(statement.strip()) and "\n" not in statement else line


def _parses(python: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(python)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _installs(python: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(python.split("\n"), start=1):
        if call := _CALL.search(line):
            yield from ((text, number) for text in _asked(_command(call[1], call[2])))


def _runs(python: str) -> Iterator[tuple[str, int]]:
    for number, line in enumerate(python.split("\n"), start=1):
        call = _CALL.search(line)
        magic, *rest = (call and _literals(call[2])) or [""]
        if magic == "run" and rest:
            script = next((word for word in _words(rest[0]) if not word.startswith("-")), "")
            if script and not script.endswith(".ipynb"):
                yield script if script.endswith(".py") else f"{script}.py", number


def _command(method: str, arguments: str) -> str:
    words = _literals(arguments)
    if method == "run_line_magic" and words and words[0] in _BODY_IS_SHELL:
        words = words[1:]
    return " ".join(words)


def _literals(arguments: str) -> list[str]:
    """Return a call's arguments as text, or nothing where its author, not IPython, wrote the call."""
    try:
        values = ast.literal_eval(f"[{arguments}]")
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return []
    return list(map(str, values))


def _asked(command: str) -> Iterator[str]:
    """Yield what the `pip install` commands of a shell line ask for."""
    for words in _simple_commands(_words(command)):
        at = next((i for i, word in enumerate(words) if _PIP.fullmatch(word)), None)
        if at is None or (at and words[at - 1] not in _BEFORE_PIP):
            continue
        arguments = iter(words[at + 1 :])
        if next((word for word in arguments if not word.startswith("-")), None) == "install":
            yield from _requirement_lines(arguments)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an apostrophe in a comment
        return [word.strip("'\"") for word in command.split()]


def _simple_commands(words: list[str]) -> Iterator[list[str]]:
    current: list[str] = []
    for word in words:
        if word in _SEPARATORS:
            yield current
            current = []
        elif word.endswith(";"):
            yield [*current, word[:-1]]
            current = []
        else:
            current.append(word)
    yield current


def _requirement_lines(arguments: Iterator[str]) -> Iterator[str]:
    for word in arguments:
        if _REDIRECTION.match(word):
            return
        option, _, value = word.partition("=")
        if not word.startswith("-"):
            yield word
        elif option in _VALUE_OPTIONS:
            value = value or next(arguments, "")
            yield f"-r {value}" if option in _FILE_OPTIONS else option
