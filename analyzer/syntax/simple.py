"""Simple statements: assignments, expressions, imports, `del`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.hidden import EFFECTS
from nbslim.analyzer.statement import Effect, Statement
from nbslim.analyzer.syntax.nodes import alias_of, constant, roots
from nbslim.analyzer.syntax.source import Source
from nbslim.analyzer.syntax.summary import whole_statement
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.texts import texts_inside
from nbslim.analyzer.syntax.values import all_shared, plain


def simple_statement(source: Source, node: cst.BaseSmallStatement, around: Surroundings) -> Statement:
    """Return a statement that has no block; its effects are made again by its own code."""
    code = source.code(node).rstrip("; \t")
    statement = whole_statement(source, node, code, around)
    effects = [replace(effect, replay=code) for effect in statement.effects]
    if effects or statement.imports:
        effects += _side_effects(statement, code)
        statement = replace(statement, effects=tuple(effects))
    if isinstance(node, cst.Del):
        return replace(statement, deletes=True)
    if isinstance(node, cst.AugAssign):  # symtable says that it stores the name, and not that it reads it
        return replace(statement, uses=statement.uses | statement.binds, augments=True)
    if isinstance(node, (cst.Assign, cst.AnnAssign)) and node.value is not None:
        return _assigned(statement, node, node.value)
    if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
        return replace(statement, call=code)
    return statement


def _side_effects(statement: Statement, code: str) -> Iterator[Effect]:
    """Yield what an import changes in another library, merely by being imported."""
    for imported in statement.imports:
        if imported.module in EFFECTS and imported.bound:
            yield Effect(imported.bound, code, imported.line, "import", imported.module, replay=code)


def _assigned(statement: Statement, node: cst.Assign | cst.AnnAssign, value: cst.BaseExpression) -> Statement:
    """Return the statement with what the spelling of the assigned value says of it."""
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    alone = all(isinstance(target, cst.Name) for target in targets)
    return replace(
        statement,
        plain_if_builtin=None if statement.may_bind else plain(value),
        defines_code=isinstance(value, cst.Lambda) and not statement.uses,
        constant=constant(value) if alone else (),
        texts=texts_inside(value) if alone else (),
        shares=all_shared([value]),
        into=frozenset(roots(target for target in targets if not isinstance(target, cst.Name))),
        alias_of=alias_of(value) if alone else None,
    )
