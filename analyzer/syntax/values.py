"""What the spelling of a value tells: that it holds nothing but plain data, or whose objects it shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import libcst as cst
from nbslim.analyzer.syntax.nodes import last_part, roots

# Calls of these give values that hold nothing of what they were computed from.
_PLAIN_BUILTINS = frozenset(
    {"bool", "float", "int", "len", "str", "repr", "ord", "chr", "hash", "format", "range"}
)
_PLAIN_METHODS = frozenset({"tolist", "item", "as_integer_ratio", "hexdigest", "isoformat"})
# These hand on what they are given, or run through it.
_SHARING_CALLS = frozenset(
    {
        "dict",
        "enumerate",
        "iter",
        "list",
        "next",
        "nullcontext",
        "partial",
        "reversed",
        "set",
        "sorted",
        "tuple",
        "zip",
    }
)
_SHARING_METHODS = frozenset({"copy", "get", "items", "keys", "pop", "setdefault", "values"})


def shared(node: cst.CSTNode) -> Iterator[str]:
    """Yield the names whose objects a value may be, hold or run through, as far as its spelling tells."""
    parts = next((parts(node) for kinds, parts in _SHARED if isinstance(node, kinds)), None)
    if parts is not None:
        for part in parts:
            yield from shared(part)
    elif isinstance(node, cst.Call):
        yield from _shared_by_call(node)
    else:
        yield from roots([node])


def all_shared(nodes: Iterable[cst.CSTNode]) -> frozenset[str]:
    """Return the names whose objects any of several values may be, hold or run through."""
    return frozenset(name for node in nodes for name in shared(node))


def _shared_by_call(node: cst.Call) -> Iterator[str]:
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _SHARING_METHODS:
        yield from shared(node.func.value)
    elif last_part(node.func) in _SHARING_CALLS:
        for argument in node.args:
            yield from shared(argument.value)


def plain(node: cst.BaseExpression) -> frozenset[str] | None:
    """Return the builtins on which it depends that `node` is evidently made of plain values; None if it may not be."""
    if isinstance(node, cst.Call):
        return _plain_call(node)
    parts = next((parts(node) for kinds, parts in _PARTS if isinstance(node, kinds)), None)
    return None if parts is None else _all_plain(parts)


def _entries_of(node: cst.Dict) -> list[cst.BaseExpression] | None:
    pairs = [(e.key, e.value) for e in node.elements if isinstance(e, cst.DictElement)]
    return [part for pair in pairs for part in pair] if len(pairs) == len(node.elements) else None


def _operands(node: cst.BinaryOperation) -> list[cst.BaseExpression]:
    formats = isinstance(node.operator, cst.Modulo) and isinstance(node.left, cst.BaseString)
    return [] if formats else [node.left, node.right]


# What a value of this kind holds; None where that cannot be seen.
_PARTS: tuple[tuple[Any, Callable[[Any], Iterable[cst.BaseExpression] | None]], ...] = (
    ((cst.BaseNumber, cst.BaseString), lambda _: []),
    (cst.Name, lambda node: [] if node.value in ("None", "True", "False") else None),
    ((cst.Tuple, cst.List, cst.Set), lambda node: [element.value for element in node.elements]),
    (cst.Dict, _entries_of),
    ((cst.ListComp, cst.SetComp), lambda node: [node.elt]),
    (cst.DictComp, lambda node: [node.key, node.value]),
    (cst.UnaryOperation, lambda node: [] if isinstance(node.operator, cst.Not) else [node.expression]),
    (cst.IfExp, lambda node: [node.body, node.orelse]),
    (cst.BooleanOperation, lambda node: [node.left, node.right]),
    (cst.Comparison, lambda node: [] if _tests(node) else None),
    (cst.BinaryOperation, _operands),
)

# What a value of this kind may hand on as it is.
_SHARED: tuple[tuple[Any, Callable[[Any], Iterable[cst.BaseExpression]]], ...] = (
    ((cst.Tuple, cst.List, cst.Set), lambda node: [element.value for element in node.elements]),
    (cst.Dict, lambda node: [element.value for element in node.elements]),
    (cst.IfExp, lambda node: [node.body, node.orelse]),
    (cst.BooleanOperation, lambda node: [node.left, node.right]),
    (cst.NamedExpr, lambda node: [node.value]),
)


def _tests(node: cst.Comparison) -> bool:
    """Tell whether a comparison gives a truth value, whatever it compares."""
    return all(isinstance(c.operator, (cst.In, cst.NotIn, cst.Is, cst.IsNot)) for c in node.comparisons)


def _plain_call(node: cst.Call) -> frozenset[str] | None:
    if isinstance(node.func, cst.Name) and node.func.value in _PLAIN_BUILTINS:
        return frozenset({node.func.value})
    if isinstance(node.func, cst.Name) and node.func.value == "round" and node.args:
        return _all_plain([node.args[0].value])
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _PLAIN_METHODS:
        return frozenset()
    return None


def _all_plain(nodes: Iterable[cst.BaseExpression]) -> frozenset[str] | None:
    found: set[str] = set()
    for node in nodes:
        names = plain(node)
        if names is None:
            return None
        found |= names
    return frozenset(found)
