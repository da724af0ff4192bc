"""Code that can be run again to make a change again, because it does nothing but change settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.statement import Body, Statement
from nbslim.analyzer.syntax.nodes import dotted, string
from nbslim.analyzer.syntax.resources import changes_settings


def repeatable(code: str, found: list[Statement]) -> Iterator[Statement]:
    """Let a compound statement, whose parts are `found`, be made again as a whole where that changes settings alone."""
    harmless = all(s.effects or s.imports or not (s.calls or s.updates) for s in found)
    replay = code if harmless else None
    uses = frozenset().union(*(statement.uses for statement in found)) if harmless else frozenset()
    for statement in found:
        effects = (replace(e, replay=replay, names=e.names | uses) for e in statement.effects)
        yield replace(statement, effects=tuple(effects))


def repeatable_body(node: cst.FunctionDef, body: Body) -> Body:
    """Let a call make the effects of a function again if it does nothing else."""
    settings = all(isinstance(line, cst.SimpleStatementLine) and _only_sets(line) for line in node.body.body)
    effects = (replace(effect, replay=effect.what if settings else None) for effect in body.effects)
    return replace(body, effects=tuple(effects))


def _only_sets(line: cst.SimpleStatementLine) -> bool:
    """Tell whether a line holds nothing but changes of settings, imports and texts."""
    return all(
        isinstance(small, (cst.Import, cst.ImportFrom, cst.Pass, cst.Global))
        or (isinstance(small, cst.Assign) and not any(isinstance(t.target, cst.Name) for t in small.targets))
        or (isinstance(small, cst.Expr) and (string(small.value) is not None or _sets(small.value)))
        for small in line.body
    )


def _sets(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and (
        changes_settings(node, discarded=True) or dotted(node.func) in ("setattr", "delattr")
    )
