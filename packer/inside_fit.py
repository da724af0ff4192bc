"""Runs in the notebook's kernel: whether a predictor may be run in steps, or why not."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, cast

from nbslim.packer.inside_rows import has_question
from nbslim.packer.inside_scope import bindings, root, within

if TYPE_CHECKING:
    Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

LOOKING = {"locals", "vars", "eval", "exec", "dir", "super", "globals", "breakpoint", "input"}
"""What sees in which function it is called, or a person that would be asked in another order."""


class NotDerivedError(Exception):
    """No batched form can be derived; the message is one short reason."""


def as_definition(function: Function, *, alone: bool = True) -> ast.FunctionDef:
    """Return a function as a definition without annotations; `alone`: it must take one argument, the sample.

    Raises NotDerivedError where it is no plain function.
    """
    if isinstance(function, ast.AsyncFunctionDef):
        raise NotDerivedError("predictor is asynchronous")
    _check_signature(function, alone=alone)
    made = cast(ast.FunctionDef, ast.parse("def predictor(): pass").body[0])
    if isinstance(function, ast.Lambda):
        made.body = [ast.copy_location(ast.Return(function.body), function)]
    else:
        made.name, made.body = function.name, function.body
    made.args = function.args
    for argument in (*made.args.posonlyargs, *made.args.args):
        argument.annotation = None
    _check_body(made)
    return ast.copy_location(made, function)


def _check_signature(function: ast.FunctionDef | ast.Lambda, *, alone: bool) -> None:
    if getattr(function, "decorator_list", None):
        raise NotDerivedError("predictor has a decorator")
    given = function.args
    number = len(given.posonlyargs) + len(given.args)
    if (alone and number != 1) or given.vararg or given.kwarg or given.kwonlyargs:
        raise NotDerivedError("predictor does not take the sample alone")
    if given.defaults:
        raise NotDerivedError("predictor has a default for its sample")


def _check_body(function: ast.FunctionDef) -> None:
    local = frozenset(name for node in [function, *ast.walk(function)] for name in bindings(node))
    for node in within(function):
        if isinstance(node, (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)):
            raise NotDerivedError(f"line {node.lineno}: predictor is a generator or asynchronous")
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            raise NotDerivedError(
                f"line {node.lineno}: it changes {', '.join(node.names)}, which outlives the call"
            )
        changed = _changed(node)
        if changed and changed not in local:
            raise NotDerivedError(
                f"line {getattr(node, 'lineno', 0)}: it may change {changed}, which outlives the call"
            )
        if isinstance(node, ast.Name) and node.id in LOOKING:
            raise NotDerivedError(f"line {node.lineno}: {node.id} may see in which function it is called")


def _changed(node: ast.AST) -> str | None:
    """Return the name at the start of what a node sets in place, deletes, or calls for nothing but its effect."""
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return root(node)
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        return root(node.value) or "what it calls"
    return None


def check_around(steps: ast.FunctionDef) -> None:
    """Raise NotDerivedError for a question inside of what must not be left open while other rows run."""
    for node in within(steps):
        if not has_question(node):
            continue
        if isinstance(node, ast.With):
            raise NotDerivedError(f"line {node.lineno}: a model is asked inside of a with block")
        if type(node).__name__ == "TryStar" or (isinstance(node, ast.Try) and _catches_all(node)):
            line = cast(ast.Try, node).lineno
            raise NotDerivedError(f"line {line}: a model is asked inside of a try that catches or ends all")


def _catches_all(node: ast.Try) -> bool:
    kinds = [ast.unparse(handler.type) if handler.type else "" for handler in node.handlers]
    return bool(node.finalbody) or any(
        not kind or "BaseException" in kind or "Exit" in kind for kind in kinds
    )
