"""Random Python of all of the language's forms, put into each other; what a Python cannot compile is left out."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Sequence
from textwrap import indent

from hypothesis import strategies as st

# E is any expression, T a target, P a pattern, B a block, N a name.
_ATOMS = [
    "a",
    "b",
    "_",
    "\uff58",
    "1",
    "1_0.5e3j",
    "0xF",
    "'s'",
    "b's'",
    "rb'\\d'",
    "''' '''",
    "f'{a!r:>{b}}'",
    "...",
    "None",
    "()",
]
_EXPRESSIONS = [
    "E + E", "E @ E", "not E", "-E", "E ** E", "E < E is not E", "E in E", "E and E or E", "E if E else E",
    "lambda N, /, N2=E, *N3, N4, **N5: E", "lambda *, N: (yield)", "(N := E)", "[E, *E]", "(E,)", "{E, *E}",
    "{E: E, **E}", "[E for T in E if E]", "{E: E for T in E}", "(E for T, *N in E for N in E)",
    "{E async for T in E}",
    "E.N", "E[E]", "E[E:E, ::E, ...]", "E[*E]", "E(E, *E, N=E, **E)", "E(E for N in E)", "await E", "(yield E)",
    "(yield from E)", "f'{E}'", "f'{a=}{{}}{a!s:{b}}'", "'a' f'{a}' 'b'", "(E)", "(\n E # c\n)", "E \\\n + E",
    "__import__(E)", "importlib.import_module('N' + E)", "globals()[E]", "eval(E)",
    "getattr(E, 'N')", "super().N(E)",
]  # fmt: skip
_TARGETS = ["N", "E.N", "E[E]", "N, *N2", "[T, N]", "(T)", "(T, (N, E.N))", "*N,"]
_PATTERNS = [
    "N", "_", "1", "-1 + 2j", "'s'", "None", "a.b", "[P, *N]", "(P, _)", "{'k': P, **N}",
    "a.C(P, N=P)", "C()", "P | 2",
    "(P) as N", "P, *_", "f.g.h",
]  # fmt: skip
_STATEMENTS = [
    "E", "T = E", "T = N = E", "T = yield E", "N: E = E", "E.N: E", "N += E", "E[E] @= E",
    "del N, E.N, E[E]", "pass",
    "return E", "return *E, E", "raise E from E", "raise", "assert E, E", "import N.N2 as N3, N4",
    "from . import N",
    "from ..N import N2 as N3", "from N import *", "from N import (N2,)", "global N",
    "nonlocal N", "break", "continue",
    "if E:\nB\nelif E:\nB\nelse:\nB", "while E:\nB\nelse:\nB", "for T in E:\nB\nelse:\nB", "for T in *E, E:\nB",
    "async for T in E:\nB", "with E as T, E:\nB", "with (E as N, E as N2,):\nB", "async with E as T:\nB",
    "try:\nB\nexcept E as N:\nB\nexcept (E, E):\nB\nelse:\nB\nfinally:\nB",
    "try:\nB\nexcept* E:\nB", "try:\nB\nfinally:\nB",
    "try:\nB\nexcept:\nB", "def N(N2: E, /, N3=E, *N4: E, N5: E = E, **N6) -> E:\nB", "async def N(*, N2):\nB",
    "@E\ndef N(): return E", "@E\n@E\nclass N(E, *E, metaclass=E, **E):\nB", "class N: x = E; y: E", "class N:\nB",
    "match E:\n    case P:\n        E\n    case P if E:\n        E",
    "match E, E:\n    case P:\n        pass", "match = case = E",
    "if E: E; T = E", "type: E = E", "# comment\nE", "E;",
    "def N():\n    'doc'\n    global N2\n    N2 = E\n    B2",
    "type N[N2: E, *N3, **N4] = E", "def N[N2](N3: N2) -> N2:\nB", "class N[N2]:\nB",
]  # fmt: skip
_HOLES = {"E", "T", "P", "B"}


def source() -> st.SearchStrategy[str]:
    """Draw a cell of a few statements, valid in the Python that runs."""
    return st.lists(_statement(3), min_size=1, max_size=3).map("\n".join).filter(_compiles)


def _compiles(text: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


@st.composite
def _statement(draw, depth: int) -> str:
    return _filled(draw, draw(st.sampled_from(_STATEMENTS if depth else ["E", "T = E", "pass"])), depth)


def _filled(draw, template: str, depth: int) -> str:
    """Return `template` with its holes filled: a capital stands for a part only where it is a word of its own."""
    forms = {"E": _EXPRESSIONS, "T": _TARGETS, "P": _PATTERNS}
    parts = []
    for word in _words(template):
        if word in forms:
            chosen: Sequence[str] = (
                forms[word] if depth > 0 else {"E": _ATOMS, "T": ["N"], "P": ["N", "_"]}[word]
            )
            filled = _filled(draw, draw(st.sampled_from(chosen)), depth - 1)
            parts.append(f"({filled})" if word == "E" and depth > 1 else filled)
        elif word in ("B", "B2"):
            parts.append(
                indent(draw(_statement(max(depth - 1, 0))), "    ").removeprefix(
                    "    " if word == "B2" else ""
                )
            )
        elif word[:1] == "N" and word[1:] in ("", "2", "3", "4", "5", "6"):
            parts.append(draw(st.sampled_from(["a", "b", "c", "match", "print", "__x", "\ufb01t", "type"])))
        else:
            parts.append(word)
    return "".join(parts)


def _words(template: str) -> list[str]:
    words = [""]
    for before, letter in zip(" " + template, template):
        if letter.isalnum() != before.isalnum():
            words.append("")
        words[-1] += letter
    return words
