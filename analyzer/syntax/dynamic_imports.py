"""Imports by functions, whose modules are named by texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.constants import Text, spelled
from nbslim.analyzer.statement import Imported, Opaque, named_import
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import dotted, elements, last_part, string

_IMPORTERS = frozenset({"__import__", "import_module"})
"""Functions that import what their first argument names."""

_NAMERS = frozenset({"find_spec", "locate", "resolve_name", "run_module"})
"""Functions that import what their first argument names, if they are what their name says."""

_MODULE = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[\w.]+)?")


class DynamicImports:
    """Finds modules that texts name; a name that is not spelled out is opaque."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def call(self, node: cst.Call) -> None:
        """Note what a call imports."""
        name, line = self._context.callee(node), self._context.line(node)
        function = name.rpartition(".")[2]
        arguments = [argument.value for argument in node.args]
        if function in _IMPORTERS:
            self._by_function(arguments[0] if arguments else None, line, arguments[1:])
        elif function in _NAMERS and arguments:
            self.spelled(arguments[0], line)
        elif function == "spec_from_file_location" and len(arguments) > 1:
            self._from_file(arguments[1], line)
        elif name == "map" and len(arguments) == 2 and self._known(arguments[0]) in _IMPORTERS:
            for item in elements(arguments[1]) or ():
                self._by_function(item, line)

    def spelled(
        self, named: cst.CSTNode, line: int, *, optional: bool = True, package: str | None = None
    ) -> None:
        """Note the modules that a node spells out, those with dots before their names inside `package`."""
        for text in self._context.texts(named):
            name = spelled(text)
            if name is not None and _MODULE.fullmatch(name):
                whole = "".join(map(str, _inside(package, (name,))))
                imported = named_import(whole.replace(":", "."), line)
                self._context.add_import(replace(imported, optional=optional))

    def _by_function(
        self, named: cst.CSTNode | None, line: int, more: Sequence[cst.BaseExpression] = ()
    ) -> None:
        texts = self._context.texts(named) if named else ()
        package = string(more[0]) if more else None
        open_ones = tuple(_inside(package, text) for text in texts if spelled(text) is None)
        if named is not None:
            self.spelled(named, line, optional=False, package=package)
        if open_ones or not texts:
            what, function = "a computed module name", self._context.function
            self._context.found.opaque.append(Opaque(what, line, texts=open_ones, function=function))

    def _from_file(self, named: cst.CSTNode, line: int) -> None:
        """Note a module that is loaded from a file beside the notebook."""
        for text in self._context.texts(named):
            path = spelled(text)
            if path and path.endswith(".py"):
                self._context.add_import(Imported(path[:-3].replace("/", "."), line))

    def _known(self, node: cst.CSTNode) -> str:
        return self._context.aliases.get(dotted(node), last_part(node))


def _inside(package: str | None, text: Text) -> Text:
    """Return a relative name as one inside `package`, where that is known."""
    relative = bool(text) and isinstance(text[0], str) and text[0].startswith(".")
    return (package, *text) if package and relative else text
