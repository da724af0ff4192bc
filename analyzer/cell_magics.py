"""What cell magics do with their cell: run it as Python, hand it to something else, bind a name."""

from __future__ import annotations

from itertools import pairwise

from nbslim.analyzer.installs import words
from nbslim.analyzer.line_magics import STATEMENT_MAGICS

PYTHON = STATEMENT_MAGICS.keys() | {"capture", "debug"}
"""They run their cell as Python in the notebook's own namespace."""

FILE = frozenset({"file", "writefile"})

COMPILED = frozenset({"cython", "cython_inline", "fortran", "pythran"})
"""They define names in the notebook, in a language that is not Python."""

_SHELL = frozenset({"!", "bash", "sh", "sx", "system"})
_SCRIPTS = frozenset({"bash", "perl", "pypy", "python", "python2", "python3", "ruby", "script", "sh"})
OTHER = (
    _SHELL
    | _SCRIPTS
    | {"HTML", "R", "SVG", "bigquery", "css", "html", "javascript", "js", "julia", "latex", "markdown"}
    | {"mermaid", "octave", "sql", "svg"}
)
"""They hand their cell to another program, or show it."""


def is_shell(magic: str, line: str) -> bool:
    """Tell whether a cell is read by a shell."""
    program = next((word for word in words(line) if not word.startswith("-")), "")
    return magic in _SHELL or (magic == "script" and program.rpartition("/")[2] in _SHELL)


def bindings(magic: str, line: str) -> str:
    """Return Python that binds what a cell magic's own line binds: `%%capture out`, `%%bash --out text`."""
    names = [name for name in _bound(magic, words(line.replace("=", " "))) if name.isidentifier()]
    return " = ".join([*names, f"get_ipython().run_cell_magic({magic!r}, {line!r}, '')"]) if names else ""


def _bound(magic: str, given: list[str]) -> list[str]:
    if magic == "capture":
        return [word for word in given if not word.startswith("-")][:1]
    if magic in _SCRIPTS:
        return [name for option, name in pairwise(given) if option in ("--out", "--err", "--proc")]
    if magic == "R":
        return [n for o, names in pairwise(given) if o in ("-o", "--output") for n in names.split(",")]
    return []
