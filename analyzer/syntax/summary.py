"""A node summed up as a statement: what a walk finds in it, with the names that Python's own scopes tell."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst
from nbslim.analyzer.scopes import Scope
from nbslim.analyzer.statement import Statement
from nbslim.analyzer.syntax.finder import Finder
from nbslim.analyzer.syntax.source import Source
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.unannotated import unannotated


def whole_statement(source: Source, node: cst.CSTNode, code: str, around: Surroundings) -> Statement:
    """Return the statement that a node is, whose code is `code`."""
    found = Finder(source, around)
    found.walk(node)
    return _summed_up(source, node, code, around, found)


def header(
    source: Source,
    node: cst.CSTNode,
    code: str,
    around: Surroundings,
    *parts: cst.CSTNode,
    target: cst.BaseAssignTargetExpression | None = None,
) -> Statement:
    """Return the statement for a header alone, made of `parts`; what its node holds besides is read elsewhere."""
    found = Finder(source, around)
    for part in parts:
        found.walk(part)
    if target is not None:
        found.store(target)
    return _summed_up(source, node, code, around, found)


def _summed_up(
    source: Source, node: cst.CSTNode, code: str, around: Surroundings, finder: Finder
) -> Statement:
    scope, found = Scope(source.code(unannotated(node)) if finder.annotated else code), finder.context
    now, later = found.at_once.body(scope.uses), found.deferred.body(scope.deferred)
    return Statement(
        line=source.line(node),
        binds=frozenset(scope.binds | found.binds),
        uses=now.names,
        body=replace(
            later,
            updates=(later.updates & later.names) - scope.global_stores,
            stores=frozenset(scope.global_stores),
        ),
        updates=now.updates,
        altered=now.altered,
        may_bind=frozenset(found.may_bind),
        calls=now.calls,
        kept=now.kept,
        imports=now.imports,
        opaque=now.opaque,
        mentions=now.mentions,
        resources=now.resources,
        effects=now.effects,
        files=now.files,
        conditional=around.conditional,
        conditions=around.conditions,
        instead_of=around.instead_of,
        within=around.within,
    )
