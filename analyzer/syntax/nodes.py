"""What single nodes say: dotted names, literals, what a chain hangs on."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import libcst as cst

_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})

_WINDOWS = frozenset({"getattr", "vars"})
"""What these return is a part of what they are given."""


def dotted(node: cst.CSTNode) -> str:
    """Return `a.b.c` as it is written; what a chain hangs on is left out where it is no name."""
    if isinstance(node, cst.Attribute):
        return f"{dotted(node.value)}.{node.attr.value}"
    # Python compares identifiers in this form, and symtable reports them in it.
    return unicodedata.normalize("NFKC", node.value) if isinstance(node, cst.Name) else ""


def last_part(node: cst.CSTNode) -> str:
    """Return the name under which a node is reached, whatever it belongs to: `c` for `a.b.c`."""
    return dotted(node).rpartition(".")[2]


def alias(name: cst.ImportAlias) -> str | None:
    """Return what an import binds after `as`."""
    return dotted(name.asname.name) if name.asname else None


def called(node: cst.BaseExpression) -> cst.BaseExpression:
    """Return what a node calls, or the node itself where it is no call."""
    return node.func if isinstance(node, cst.Call) else node


def string(node: cst.CSTNode) -> str | None:
    """Return the text of a literal."""
    value = node.evaluated_value if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)) else None
    return value if isinstance(value, str) else None


def roots(nodes: Iterable[cst.CSTNode]) -> Iterator[str]:
    """Yield the names that chains start from: `a` for `a.b[0].c().d`, none for `a().b`, where the result changes."""
    for node in nodes:
        root = start(node, through_calls=False)
        if isinstance(root, cst.Name):
            yield dotted(root)


def start(node: cst.CSTNode, *, through_calls: bool) -> cst.CSTNode:
    """Return what a chain of attributes, items and calls hangs on; a call of a plain name ends it, or does not."""
    while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call)):
        if isinstance(node, cst.Call):
            if last_part(node.func) in _WINDOWS and node.args:
                node = node.args[0].value
            elif isinstance(node.func, cst.Name) and not through_calls:
                break
            else:
                node = node.func
        else:
            node = node.value
    return node


def alias_of(node: cst.CSTNode) -> str | None:
    """Return a plain chain of attributes as it is written: `a.b.c`."""
    root = node
    while isinstance(root, cst.Attribute):
        root = root.value
    return dotted(node) if isinstance(root, cst.Name) else None


def constant(node: cst.CSTNode) -> tuple[Any, ...]:
    """Return the value of a literal text, number, truth value or None, alone in a tuple; () for anything else."""
    if isinstance(node, cst.Name):
        return {"None": (None,), "True": (True,), "False": (False,)}.get(node.value, ())
    if isinstance(node, (cst.Integer, cst.Float, cst.SimpleString, cst.ConcatenatedString)):
        return (node.evaluated_value,)
    return ()


def catches_import_errors(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    """Tell whether an import that fails leads into `handler`."""
    if handler.type is None:
        return True
    caught = handler.type.elements if isinstance(handler.type, cst.Tuple) else [handler]
    kinds = (element.value if isinstance(element, cst.BaseElement) else element.type for element in caught)
    return any(isinstance(kind, cst.Name) and kind.value in _GUARDS for kind in kinds)


def elements(node: cst.CSTNode) -> list[cst.BaseExpression] | None:
    """Return what a literal list, tuple or set holds; None for anything else, and for one with a star in it."""
    if not isinstance(node, (cst.List, cst.Tuple, cst.Set)):
        return None
    if any(isinstance(element, cst.StarredElement) for element in node.elements):
        return None
    return [element.value for element in node.elements]


def chain(node: cst.CSTNode) -> str:
    """Return all names of a chain in order, whatever items and calls stand between: `a.b.c` for `a.b(1)[2].c`."""
    names: list[str] = []
    while isinstance(node, (cst.Attribute, cst.Subscript, cst.Call)):
        if isinstance(node, cst.Attribute):
            names.append(node.attr.value)
        node = node.func if isinstance(node, cst.Call) else node.value
    return ".".join([dotted(node), *reversed(names)])


def parameters(node: cst.Parameters) -> Iterator[cst.Param]:
    """Yield all parameters of a function."""
    yield from (*node.posonly_params, *node.params, *node.kwonly_params)
    yield from (p for p in (node.star_arg, node.star_kwarg) if isinstance(p, cst.Param))


def defaults(node: cst.Parameters) -> Iterator[cst.BaseExpression]:
    """Yield the default values of parameters."""
    return (parameter.default for parameter in parameters(node) if parameter.default is not None)


def evaluated(node: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
    """Yield what Python evaluates when it defines the function: defaults and annotations."""
    yield from defaults(node.params)
    for parameter in parameters(node.params):
        if parameter.annotation is not None:
            yield parameter.annotation.annotation
    if node.returns is not None:
        yield node.returns.annotation


def imported_on_the_spot(node: cst.CSTNode) -> str | None:
    """Return the module at which a chain starts that begins with `__import__("module")`."""
    while isinstance(node, (cst.Attribute, cst.Subscript)):
        node = node.value
    imports = isinstance(node, cst.Call) and dotted(node.func) == "__import__" and bool(node.args)
    return string(node.args[0].value) if imports and isinstance(node, cst.Call) else None
