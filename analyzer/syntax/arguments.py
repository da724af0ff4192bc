"""What code reaches out for by texts: files, variables, programs, packages, and what a library is to use."""

from __future__ import annotations

import re

import libcst as cst
from nbslim.analyzer.constants import files_named
from nbslim.analyzer.hidden import CHOICES, CHOOSERS, CHOOSING
from nbslim.analyzer.statement import Imported, Resource, ResourceKind
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import last_part, string
from nbslim.analyzer.syntax.resources import opens_package, resource_of

_ARROW = re.compile(r"\[(pyarrow)\]")
"""pandas' types that another library holds."""


class Arguments:
    """Looks at the texts that are handed over, and at those that are set as options."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def call(self, node: cst.Call) -> None:
        """Note what the arguments of a call name."""
        if (found := resource_of(node)) is not None:
            kind, named, callee = found
            self.hold(kind, named, node, callee)
        function = self._context.callee(node).rpartition(".")[2]
        for position, argument in enumerate(node.args):
            keyword = argument.keyword.value if argument.keyword else None
            chooses = keyword in CHOOSERS if keyword else function in CHOOSING
            text = string(argument.value)
            if text is not None:
                names = position == 0 and opens_package(node)
                self._text(text, self._context.line(node), chooses=chooses, names=names)
            elif chooses:
                self.hold("choice", argument.value, node)
            elif isinstance(argument.value, (cst.FormattedString, cst.BinaryOperation, cst.Call)):
                self.hold("path", argument.value, node)

    def option(self, target: cst.CSTNode, value: cst.CSTNode, node: cst.CSTNode) -> None:
        """Note what a library is to use where an assignment says so: `pd.options.plotting.backend = "plotly"`."""
        chosen = string(value)
        if chosen in CHOICES and last_part(target) in CHOOSERS:
            self._context.add_import(Imported(CHOICES[chosen], self._context.line(node), optional=True))

    def hold(
        self, kind: ResourceKind, named: cst.CSTNode, node: cst.CSTNode, callee: str | None = None
    ) -> None:
        """Note what `node` reaches out for; `named` is the part of it that names that."""
        texts, line = self._context.texts(named), self._context.line(node)
        self._context.found.resources.append(Resource(kind, texts, line, self._context.function, callee))

    def _text(self, text: str, line: int, *, chooses: bool, names: bool) -> None:
        if chooses and text in CHOICES:
            self._context.add_import(Imported(CHOICES[text], line, optional=True))
        elif names and all(map(str.isidentifier, text.split("."))):
            self._context.add_import(Imported(text, line, optional=True))
        elif arrow := _ARROW.search(text):
            self._context.add_import(Imported(arrow[1], line, optional=True))
        elif files_named([text]):
            self._context.found.files.add(text)
