"""The module-level statements of a cell, in order: what each binds, reads, updates and imports."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache

import libcst as cst
from nbslim.analyzer.statement import Statement
from nbslim.analyzer.syntax.conditions import negated, tested
from nbslim.analyzer.syntax.definitions import definition
from nbslim.analyzer.syntax.flow import ends_block, looks_for_module, suppresses
from nbslim.analyzer.syntax.imports import imported_in
from nbslim.analyzer.syntax.nodes import called, catches_import_errors, elements, roots
from nbslim.analyzer.syntax.repeatable import repeatable
from nbslim.analyzer.syntax.simple import simple_statement
from nbslim.analyzer.syntax.source import Source, check_compiles
from nbslim.analyzer.syntax.summary import header, whole_statement
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.texts import runs_through
from nbslim.analyzer.syntax.values import all_shared

Aliases = tuple[tuple[str, str], ...]
"""Names of the notebook's own for functions that are known by theirs: `load` for `import_module`."""


@lru_cache(maxsize=10_000)
def statements(source: str, aliases: Aliases = ()) -> tuple[Statement, ...]:
    """Return the module-level statements of `source` in order; those of a loop come twice.

    Raises SyntaxError for what is not Python, and for what is nested too deeply to be followed.
    """
    try:
        check_compiles(source)
        with _room_for_recursion(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a user's odd escape sequence
            return tuple(_Reader(Source(source), dict(aliases)).read_all())
    except cst.ParserSyntaxError as error:  # newer Python than libcst knows
        raise SyntaxError(error.message, ("<cell>", error.raw_line, error.raw_column, None)) from error
    except ValueError as error:  # a null byte, half of a surrogate pair
        raise SyntaxError(str(error), ("<cell>", 1, None, None)) from error
    except (RecursionError, MemoryError):
        raise SyntaxError("too deeply nested", ("<cell>", 1, None, None)) from None


@contextmanager
def _room_for_recursion() -> Iterator[None]:
    """Let a sum of a thousand terms be walked: libcst needs five frames for each, and Python allows a thousand."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Reader:
    """Takes the compound statements of one cell apart, into headers and parts."""

    def __init__(self, source: Source, aliases: Mapping[str, str]) -> None:
        self._source, self._aliases = source, aliases

    def read_all(self) -> Iterator[Statement]:
        """Yield the statements, with the changes of settings that each could make again."""
        lines = self._source.module.body
        for node in lines:
            found = list(self._read([node], Surroundings(aliases=self._aliases)))
            if node is lines[-1] and _is_shown(node):
                shown = found[-1]
                found[-1] = replace(shown, binds=shown.binds | {"_"}, updates=shown.updates | {"Out"})
            single = isinstance(node, (cst.SimpleStatementLine, cst.FunctionDef, cst.ClassDef))
            if single or not any(statement.effects for statement in found):
                yield from found
            else:
                yield from repeatable(self._source.code(node).strip(), found)
            if ends_block(node):
                return

    def _read(self, nodes: Iterable[cst.CSTNode], around: Surroundings) -> Iterator[Statement]:
        for node in nodes:
            if isinstance(node, cst.SimpleStatementLine):
                for small in node.body:
                    yield simple_statement(self._source, small, around)
            else:
                yield from self._compound(node, around)
            if ends_block(node):
                return

    def _block(self, block: cst.BaseSuite, around: Surroundings) -> Iterator[Statement]:
        if isinstance(block, cst.SimpleStatementSuite):
            return iter([simple_statement(self._source, small, around) for small in block.body])
        return self._read(block.body, around)

    def _compound(self, node: cst.CSTNode, around: Surroundings) -> Iterator[Statement]:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield definition(self._source, node, around)
        elif isinstance(node, cst.If):
            yield from self._if(node, around)
        elif isinstance(node, (cst.For, cst.While)):
            yield from self._loop(node, around)
        elif isinstance(node, cst.With):
            yield self._with(node, around)
            yield from self._block(node.body, self._inside(node, around))
        elif isinstance(node, (cst.Try, cst.TryStar)):
            yield from self._try(node, around)
        else:  # match: its captures and guards belong together
            yield whole_statement(self._source, node, self._source.code(node), around.maybe())

    def _inside(self, node: cst.With, around: Surroundings) -> Surroundings:
        named = frozenset(roots(called(item.item) for item in node.items))
        within = replace(around, within=around.within | named)
        return replace(within, conditional=True, optional=True) if suppresses(node, self._aliases) else within

    def _with(self, node: cst.With, around: Surroundings) -> Statement:
        items = ", ".join(
            self._source.code(item.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for item in node.items
        )
        statement = header(self._source, node, f"with {items}: pass", around, *node.items)
        return replace(statement, shares=all_shared(item.item for item in node.items))

    def _if(self, node: cst.If, around: Surroundings) -> Iterator[Statement]:
        yield header(self._source, node, self._source.code(node.test), around, node.test)
        holds, conditions = tested(node.test)
        guarded = looks_for_module(node.test)
        if holds is not False:
            inside = around if holds else around.under(conditions)
            yield from self._block(node.body, replace(inside, optional=inside.optional or guarded))
        if node.orelse is None or holds is True:
            return
        otherwise = around if holds is False else around.under(negated((holds, conditions))[1])
        if isinstance(node.orelse, cst.If):
            yield from self._if(node.orelse, otherwise)
        else:
            yield from self._block(node.orelse.body, otherwise)

    def _loop(self, node: cst.For | cst.While, around: Surroundings) -> Iterator[Statement]:
        inner = replace(around.maybe(), repeated=True)
        if isinstance(node, cst.For):
            yield self._for(node, around if elements(node.iter) else around.maybe())
            inner = replace(inner, texts={**around.texts, **runs_through(node.target, node.iter)})
        else:
            yield header(self._source, node, self._source.code(node.test), around, node.test)
        body = list(self._block(node.body, inner))
        yield from body if around.repeated else body * 2
        if node.orelse:
            yield from self._block(node.orelse.body, around.maybe())

    def _for(self, node: cst.For, around: Surroundings) -> Statement:
        code = f"for {self._source.code(node.target)} in {self._source.code(node.iter)}: pass"
        statement = header(self._source, node, code, around, node.iter, target=node.target)
        return replace(statement, shares=all_shared([node.iter]))

    def _try(self, node: cst.Try | cst.TryStar, around: Surroundings) -> Iterator[Statement]:
        guarded = any(catches_import_errors(handler) for handler in node.handlers)
        tried = replace(around, optional=around.optional or guarded)
        for number, statement in enumerate(self._block(node.body, tried)):
            # What comes before it may fail, and the notebook goes on.
            yield replace(statement, conditional=True) if number and node.handlers else statement
        instead_of = imported_in(node.body) if guarded else ()
        handled = replace(around.maybe(), instead_of=around.instead_of + instead_of)
        for handler in node.handlers:
            if handler.name:
                yield header(self._source, handler, f"{self._source.code(handler.name.name)} = 0", handled)
            yield from self._block(handler.body, handled)
        if node.orelse:
            yield from self._block(node.orelse.body, tried.maybe())
        if node.finalbody:
            yield from self._block(node.finalbody.body, around)


def _is_shown(node: cst.CSTNode) -> bool:
    """Tell whether Jupyter shows the value of a cell's last statement, and keeps it as `_` and in `Out`."""
    last = node.body[-1] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(last, cst.Expr) and not isinstance(last.semicolon, cst.Semicolon)
