"""A cell's source: its tree, and the code and the lines of the nodes in it."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from typing import cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

_NEWLINE = re.compile(r"\r\n?|\n")


def check_compiles(source: str) -> None:
    """Let Python look for mistakes first: its words are the clearest, and for some libcst ends the whole process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            if "__future__" not in (error.msg or ""):
                raise  # Jupyter compiles statement by statement, and lets this one come late
            ast.parse(source, "<cell>")


class Source:
    """The parsed source of one cell."""

    def __init__(self, source: str) -> None:
        self.module = cst.parse_module(source)
        """The tree."""
        self._lines = _NEWLINE.split(source)
        try:
            wrapper = MetadataWrapper(self.module, unsafe_skip_copy=True)
            # `resolve` walks the tree a second time, for providers of which there are none here.
            found = PositionProvider()._gen(wrapper)  # noqa: SLF001 - a third of the time that `resolve` takes
            self._positions = cast(Mapping[cst.CSTNode, CodeRange], found)
        except KeyError:  # what libcst makes of a RecursionError on its way out
            raise RecursionError from None

    def code(self, node: cst.CSTNode) -> str:
        """Return the code of a node; cut out of the cell where that is possible, as it takes a tenth of the time."""
        place = self._positions.get(node)
        if place is not None and place.start.line == place.end.line:
            return self._lines[place.start.line - 1][place.start.column : place.end.column]
        return self.module.code_for_node(node)

    def line(self, node: cst.CSTNode) -> int:
        """Return the first line of a node."""
        return int(self._positions[node].start.line)
