"""Notebooks of any number of cells, each shape hard in its own way."""

from __future__ import annotations

from collections.abc import Callable

LAST = "def predictor(x): return {}"


def chain(n: int) -> list[str]:
    cells = [f"v{i} = f(v{i - 1}, {i})" for i in range(1, n)]
    return ["import m0\nfrom m0 import f\nv0 = m0.make()", *cells, LAST.format(f"v{n - 1}")]


def independent(n: int) -> list[str]:
    return [*(f"import m{i}\nv{i} = m{i}.make({i})" for i in range(n)), LAST.format("v7")]


def rebound(n: int) -> list[str]:
    return ["import m0\nv = m0.make()", *(f"v = v.add({i})" for i in range(n)), LAST.format("v")]


def rebound_perhaps(n: int) -> list[str]:
    cells = [f"if v:\n    v = m0.make({i})" for i in range(n)]
    return ["import m0\nv = m0.make()", *cells, LAST.format("v")]


def list_updated(n: int) -> list[str]:
    return ["import m0\nv = []", *(f"v.append(m0.make({i}))" for i in range(n)), LAST.format("v")]


def many_lists_updated(n: int) -> list[str]:
    names = ", ".join(f"v{i}" for i in range(50))
    cells = [f"v{i % 50}.append(v{(i * 7 + 1) % 50})" for i in range(n)]
    return [f"import m0\n{names} = ([] for _ in range(50))", *cells, LAST.format("v3")]


def aliases(n: int) -> list[str]:
    cells = [f"v{i} = v{i - 1}\nv{i}.append(m0.make())" for i in range(1, n)]
    return ["import m0\nv0 = []", *cells, LAST.format("v0")]


def functions(n: int) -> list[str]:
    cells = [f"def f{i}(x):\n    return f{i + 1}(x)" for i in range(n)]
    return ["import m0", *cells, f"def f{n}(x): return m0.make(x)", LAST.format("f0(x)")]


def functions_called(n: int) -> list[str]:
    cells = [f"def f{i}(x):\n    v.append(f{i - 1}(x))\n    return x\nf{i}({i})" for i in range(1, n)]
    return ["import m0\nv = []\ndef f0(x): return m0.make(x)", *cells, LAST.format("v")]


def all_call_all(n: int) -> list[str]:
    calls = " + ".join(f"f{i}(x)" for i in range(20))
    cells = [f"def f{i}(x): return {calls}" for i in range(n)]
    return ["import m0", *cells, LAST.format("f1(x)")]


def stars(n: int) -> list[str]:
    return [*(f"from m{i} import *" for i in range(n)), LAST.format("make(x)")]


def star_before(n: int) -> list[str]:
    return ["from m0 import *", *(f"v{i} = make{i}({i})" for i in range(n)), LAST.format("v3")]


def imports(n: int) -> list[str]:
    names = ", ".join(f"m{i}" for i in range(n))
    return [*(f"import m{i}" for i in range(n)), LAST.format(f"[{names}]")]


def one_cell(n: int) -> list[str]:
    lines = ["import m0", "v0 = m0.make()", *(f"v{i} = v{i - 1} + {i}" for i in range(1, 4 * n))]
    return ["\n".join([*lines, LAST.format(f"v{4 * n - 1}")])]


def nested(n: int) -> list[str]:
    # As deep as Python allows, again and again.
    deep = "\n".join(
        ["    " * depth + f"if v > {depth}:" for depth in range(15)] + ["    " * 15 + "v = m0.make(v)"]
    )
    return ["import m0\nv = 0", *[deep] * (n // 10), LAST.format("v")]


def methods(n: int) -> list[str]:
    lines = [f"    def m{i}(self, x): return self.m{i + 1}(m0.make(x))" for i in range(n)]
    return ["import m0", "class C:\n" + "\n".join(lines), "o = C()", LAST.format("o.m0(x)")]


def expression(n: int) -> list[str]:
    return ["import m0", "v = [" + ", ".join(f"m0.make({i})" for i in range(n)) + "]", LAST.format("v")]


def loops(n: int) -> list[str]:
    cells = [f"for i in v{i - 1}:\n    v{i} = v{i - 1} + [i]\n    w = v{i}" for i in range(1, n)]
    return ["import m0\nv0 = [m0.make()]", *cells, LAST.format("w")]


def opaque(n: int) -> list[str]:
    return ["import m0\nv = 0", *(f"v = eval('v + {i}')" for i in range(n)), LAST.format("v")]


SHAPES: dict[str, Callable[[int], list[str]]] = {
    shape.__name__: shape
    for shape in (
        chain, independent, rebound, rebound_perhaps, list_updated, many_lists_updated, aliases, functions,
        functions_called, all_call_all, stars, star_before, imports, one_cell, nested, methods, expression, loops,
        opaque,
    )
}  # fmt: skip
