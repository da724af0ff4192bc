"""Names that are read and bound through a namespace: `globals()["name"]`."""

from __future__ import annotations

import libcst as cst
from nbslim.analyzer.constants import spelled
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import chain, dotted, string

_NAMESPACES = frozenset({"globals", "locals", "vars"})
_UPDATES = frozenset(f"{namespace}.update" for namespace in _NAMESPACES)


def is_namespace(node: cst.CSTNode) -> bool:
    """Tell whether a call gives all names: `vars()`, not `vars(thing)`."""
    return isinstance(node, cst.Call) and not node.args and dotted(node.func) in _NAMESPACES


class Namespaces:
    """Finds the names that are spelled out; all others are opaque."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def read(self, node: cst.Subscript, item: cst.CSTNode | None) -> None:
        """Note which name an item of a namespace is."""
        name = string(item) if item is not None else None
        if name is not None and name.isidentifier():
            self._context.found.names |= {name}
        else:
            what = f"{self._context.source.code(node.value)}[...]"
            self._context.add_opaque(what, self._context.line(node))

    def store(self, target: cst.Subscript) -> None:
        """Note which name an assignment to an item binds, outside of functions."""
        if self._context.function is not None or not is_namespace(target.value):
            return
        index = target.slice[0].slice
        texts = self._context.texts(index.value) if isinstance(index, cst.Index) else ()
        names = {spelled(text) for text in texts}
        if names and None not in names:
            self._context.binds |= {name for name in names if name is not None}
        else:
            self._context.add_opaque("globals()[...]", self._context.line(target), binds=True)

    def call(self, node: cst.Call) -> None:
        """Note what a call puts into a namespace by keywords or by literal tables."""
        if self._context.function is not None or chain(node.func) not in _UPDATES:
            return
        tables = [a.value for a in node.args if not a.keyword and not a.star]
        keys = [getattr(e, "key", None) for table in tables for e in getattr(table, "elements", ())]
        names = [string(key) if key is not None else None for key in keys]
        self._context.binds |= {argument.keyword.value for argument in node.args if argument.keyword}
        self._context.binds |= {name for name in names if name is not None}
        if None in names or not all(isinstance(table, cst.Dict) for table in tables):
            self._context.add_opaque("globals().update()", self._context.line(node), binds=True)
