"""Line magics that run code or change the environment become the Python that does the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbslim.analyzer.parsing import parsed, parses

# Magics that run the statement that they are given, each with the letters of its options that take a value.
STATEMENT_MAGICS = {
    "lprun": "fmDTu",
    "memit": "rti",
    "mprun": "fT",
    "prun": "DlsT",
    "scalene": "",
    "snakeviz": "f",
    "time": "",
    "timeit": "nrpv",
}
# What `%pylab` runs; IPython has it as a text, too.
_PYLAB = "import numpy, matplotlib; from matplotlib import pylab, mlab, pyplot; np = numpy; plt = pyplot"
_PYLAB_STARS = "; from matplotlib.pylab import *; from numpy import *"


_SCOPE = "__timeit__"


def expanded(python: str) -> str:
    """Replace calls of line magics, each the last thing in its line, by the statements that they stand for.

    In functions they stay: where those are served there is no IPython, and that has to be found.
    """
    tree = parsed(python)
    if tree is None:
        return python
    lines = python.split("\n")
    for call, magic, argument in _calls(tree):
        statement = _statement(magic, argument.strip())
        line = lines[call.lineno - 1].encode(errors="surrogatepass")  # columns count bytes
        changed = line[: call.col_offset].decode(errors="surrogatepass") + (statement or "")
        if statement and "\n" not in statement and parses(changed.strip()):
            lines[call.lineno - 1] = changed
    return "\n".join(lines)


def timed(python: str, argument: str) -> str:
    """Put code below a line that makes it run in a scope of its own: what `%%timeit` binds is gone after it.

    The setup in the magic's line goes into the first line where it fits. Code that has no scope stays what it is.
    """
    setup = _without_options(argument, STATEMENT_MAGICS["timeit"])
    body = re.sub(r"^", " ", python, flags=re.MULTILINE)
    first = f" {setup};" if setup else ""
    candidates = (f"class {_SCOPE}:\n{first}{body}", f"class {_SCOPE}:\n{body}", f"\n{python}")
    return next(filter(parses, candidates), candidates[-1])


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str, str]]:
    """Yield calls of line magics, with magic and argument, that are a statement or all that one assigns."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        match waiting.pop():
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.Assign(value=value) | ast.Expr(value=value) if called := _magic(value):
                yield called
            case node:
                waiting += ast.iter_child_nodes(node)


def _magic(node: ast.expr) -> tuple[ast.Call, str, str] | None:
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Call(func=ast.Name("get_ipython")), attr="run_line_magic"),
            args=[ast.Constant(str(magic)), ast.Constant(str(argument))],
        ):
            return node, magic, argument
    return None


def _statement(magic: str, argument: str) -> str | None:
    """Return the Python for a line magic, or None for one that neither runs code nor changes the environment."""
    plain = argument and not argument.startswith("-")
    if magic in STATEMENT_MAGICS:
        # A minus sign may also belong to the statement.
        code = argument if parses(argument) else _without_options(argument, STATEMENT_MAGICS[magic])
        return f"class {_SCOPE}: {code}" if magic == "timeit" else code
    if magic in ("env", "set_env") and argument:
        return _environment(argument)
    if magic == "cd" and plain and not argument.startswith("~"):
        return f"__import__('os').chdir({_text(argument)})"
    if magic == "aimport" and plain:
        return f"import {argument}"
    if magic == "pylab":
        return _PYLAB if "--no-import-all" in argument else _PYLAB + _PYLAB_STARS
    return None


def _without_options(argument: str, with_value: str) -> str:
    options = rf"(?:(?:-[{with_value}-]\s*\S+|--?[A-Za-z][\w-]*)\s+)*"
    return re.sub(f"^{options}", "", f"{argument} ").strip()


def _environment(argument: str) -> str | None:
    """Return what sets a variable (`X=1`, `X 1`) or reads it (`X`)."""
    name, given, value = argument.partition("=" if "=" in argument else " ")
    if len(name.split()) != 1:
        return None  # IPython refuses it
    variable = f"__import__('os').environ[{name.strip()!r}]"
    return f"{variable} = {_text(value.strip())}" if given else variable


def _text(argument: str) -> str:
    """Return an argument as a string of Python, in which IPython fills in what braces hold."""
    filled = f"f{argument!r}"
    return filled if "{" in argument and parses(filled) else repr(argument)
