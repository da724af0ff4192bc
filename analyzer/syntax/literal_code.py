"""Code in texts that are executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.scopes import Scope
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import chain, string

_OPAQUE = frozenset({"eval", "exec"})
_PYTHON_CELLS = frozenset({"capture", "prun", "time", "timeit"})
"""Cell magics whose body is Python of the notebook."""


class LiteralCode:
    """Reads code that is spelled out as if it stood where it is executed; `walk` visits the nodes in it."""

    def __init__(self, context: Context, walk: Callable[[cst.CSTNode], None]) -> None:
        self._context, self._walk = context, walk

    def call(self, node: cst.Call) -> None:
        """Look at what a call executes."""
        name, line = self._context.callee(node), self._context.line(node)
        inside = self._context.function is not None
        values = [argument.value for argument in node.args]
        if name in _OPAQUE:
            self._context.add_opaque(f"{name}()", line, binds=name == "exec" and not inside)
            self._read(values[0] if values else None, line)
        elif name == "get_ipython" and inside and not self._imports_it(name):
            self._context.add_opaque("get_ipython()", line, served=False)
        elif len(values) > 2 and chain(node.func).endswith(".run_cell_magic"):
            self._read(values[2] if string(values[0]) in _PYTHON_CELLS else None, line)

    def _imports_it(self, name: str) -> bool:
        return any(imported.bound == name for imported in self._context.deferred.imports)

    def _read(self, node: cst.CSTNode | None, line: int) -> None:
        code = (string(node) if node is not None else None) or ""
        try:
            scope, module = Scope(code.strip()), cst.parse_module(code.strip())
        except (SyntaxError, ValueError, cst.ParserSyntaxError):
            return
        found = self._context.found
        before = len(found.imports)
        with self._context.pinned(line):
            self._walk(module)
        # What it imports belongs to whatever is made of it.
        found.imports[before:] = [replace(one, bound=None) for one in found.imports[before:]]
        read = (scope.uses | scope.deferred) - scope.binds
        found.names |= {name for name in read if not self._context.locals.has(name)}
        if self._context.function is None:
            self._context.binds |= scope.binds
