"""Names that may make a library import something by itself, or that change something by being used."""

from __future__ import annotations

import libcst as cst
from nbslim.analyzer.hidden import ATTRIBUTES, FUNCTIONS, RANDOM
from nbslim.analyzer.statement import Mention
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import constant, dotted, start, string


class Mentions:
    """Notes such names, and tells those that are called from those that are only named."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._callees: set[cst.CSTNode] = set()

    def call(self, node: cst.Call) -> None:
        """Look at what is called, and at names among what it is given: `getattr(df, "plot")`, `f(plot=True)`."""
        self._callees.add(node.func)
        if self._context.function is None:
            return
        for argument in node.args:
            if (
                argument.keyword
                and argument.keyword.value in FUNCTIONS
                and constant(argument.value) == (True,)
            ):
                self._note(argument.keyword.value, node)
        if len(node.args) > 1 and self._context.callee(node).rpartition(".")[2] == "getattr":
            name = string(node.args[1].value) or ""
            if name in FUNCTIONS:
                self._note(name, node)

    def attribute(self, node: cst.Attribute) -> None:
        """Look at a name after a dot."""
        name = node.attr.value
        inside = name in RANDOM or name in ATTRIBUTES
        if name in FUNCTIONS or (inside and self._context.function is not None):
            self._note(name, node)

    def name(self, node: cst.Name) -> None:
        """Look at a name that stands alone."""
        if (node.value in RANDOM or node.value in FUNCTIONS) and self._context.function is not None:
            self._note(node.value, node)

    def _note(self, name: str, node: cst.CSTNode) -> None:
        owner = start(node, through_calls=False) if isinstance(node, cst.Attribute) else None
        root = dotted(owner) if isinstance(owner, cst.Name) else None
        called = node in self._callees
        line = self._context.line(node)
        self._context.found.mentions.append(Mention(name, line, self._context.function, root, called))
