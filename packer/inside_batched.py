"""Runs in the notebook's kernel: the batched form of its predictor."""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbslim.packer.inside_derive import Asking, derive
from nbslim.packer.inside_fit import NotDerivedError
from nbslim.runtime import batched
from nbslim.runtime.batched import Batched, Site


@dataclass(frozen=True)
class Form:
    """How batches are scored: `derived`, `defined` by the notebook, or `looped`; then `reason` says why."""

    form: str
    function: Callable[[list[Any]], Sequence[Any]] | None = None
    reason: str | None = None


def batched_form(entries: Mapping[str, Any], namespace: dict[str, Any]) -> Form:
    """Return the batched form that the notebook defines, or else the one that follows from its predictor."""
    if "predictor_batch" in entries:
        return Form("defined", entries["predictor_batch"])
    try:
        return Form("derived", _derived(entries["predictor"], namespace))
    except NotDerivedError as reason:
        return Form("looped", reason=str(reason))


def _derived(predictor: Any, namespace: dict[str, Any]) -> Batched:
    """Return the batched form of a function of a cell."""
    name, function = _definition(predictor, namespace)

    def helper(called: str) -> Any:
        try:
            return _definition(namespace.get(called), namespace)[1]
        except NotDerivedError:
            return None

    derived = derive(function, helper)
    steps = _compiled(derived.steps, name, namespace)
    sites = tuple(_site(one, name, namespace) for one in derived.sites)
    return Batched(steps, sites, derived.direct)


def _definition(predictor: Any, namespace: dict[str, Any]) -> tuple[str, Any]:
    """Return the name of the cell that defines `predictor`, and the syntax of the definition."""
    own = isinstance(predictor, types.FunctionType) and predictor.__globals__ is namespace
    if not own or not predictor.__code__.co_filename.startswith("<cell "):
        raise NotDerivedError("predictor is not a function that a cell defines")
    code = predictor.__code__
    if code.co_freevars:
        raise NotDerivedError("predictor is made by another function")
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    kinds = (ast.Lambda,) if code.co_name == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        one for one in ast.walk(tree) if isinstance(one, kinds) and _first_line(one) == code.co_firstlineno
    ]
    if len(found) != 1:
        raise NotDerivedError("predictor's source is not to be found")
    return code.co_filename, found[0]


def _first_line(node: Any) -> int:
    """Return the line at which a function's code begins: that of its first decorator."""
    return min(int(one.lineno) for one in (node, *getattr(node, "decorator_list", ())))


def _site(asking: Asking, name: str, namespace: dict[str, Any]) -> Site:
    if isinstance(asking.pick, str):
        pick = getattr(batched, asking.pick)
    else:
        pick = eval(compile(ast.fix_missing_locations(ast.Expression(asking.pick)), name, "eval"), namespace)
    return Site(_compiled(asking.ask, name, namespace), pick, asking.by_column)


def _compiled(function: ast.FunctionDef, name: str, namespace: dict[str, Any]) -> Any:
    """Return the function as if the cell `name` had defined it."""
    made: dict[str, Any] = {}
    exec(compile(ast.Module([function], []), name, "exec", dont_inherit=True), namespace, made)
    return made[function.name]
