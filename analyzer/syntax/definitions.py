"""Functions and classes: what Python evaluates when it defines them, and what hands them on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import libcst as cst
from nbslim.analyzer.scopes import names_in
from nbslim.analyzer.statement import Effect, Statement
from nbslim.analyzer.syntax.nodes import called, defaults, dotted, evaluated, roots
from nbslim.analyzer.syntax.repeatable import repeatable_body
from nbslim.analyzer.syntax.source import Source
from nbslim.analyzer.syntax.summary import whole_statement
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.values import all_shared

_SUBCLASSES = ("__init_subclass__", "__subclasses__")
"""What a class says that may remember the classes derived from it."""


def definition(source: Source, node: cst.FunctionDef | cst.ClassDef, around: Surroundings) -> Statement:
    """Return the statement that defines a function or a class."""
    code, name = source.code(node), dotted(node.name)
    decorators = [decorator.decorator for decorator in node.decorators]
    codes = [source.code(decorator) for decorator in decorators]
    statement = whole_statement(source, node, code, around)
    statement = replace(
        statement,
        defines_code=True,
        calls=statement.calls + _handed(name, map(called, decorators)),
        effects=tuple(_registering(name, codes, effect) for effect in statement.effects),
    )
    if isinstance(node, cst.ClassDef):
        return _class(source, node, code, statement)
    at_once = [*codes, *map(source.code, evaluated(node))]
    return replace(
        statement,
        uses=names_in("\n".join(at_once)),
        body=repeatable_body(node, statement.body),
        shares=all_shared(defaults(node.params)),
    )


def _class(source: Source, node: cst.ClassDef, code: str, statement: Statement) -> Statement:
    # What its body imports belongs to the class, whatever name it gets there.
    inside = tuple(replace(i, bound=None) if i.function is None else i for i in statement.imports)
    bases = [source.code(argument.value) for argument in (*node.bases, *node.keywords)]
    made_by = _handed(dotted(node.name), (keyword.value for keyword in node.keywords))
    return replace(
        statement,
        imports=inside,
        bases=names_in("\n".join(bases)),
        calls=statement.calls + made_by,
        keeps_subclasses=any(word in code for word in _SUBCLASSES),
    )


def _handed(name: str, callees: Iterable[cst.CSTNode]) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the calls that hand what is defined to decorators and metaclasses."""
    return tuple((root, frozenset({name})) for root in roots(callees))


def _registering(name: str, decorators: list[str], effect: Effect) -> Effect:
    """Return the effect of a decorator that registers what it decorates: made again by calling it."""
    calls = [f"{code}({name})" for code in decorators if effect.what in code]
    return replace(effect, names=effect.names | {name}, replay=calls[0] if calls else None)
