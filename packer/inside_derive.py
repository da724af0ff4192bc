"""Runs in the notebook's kernel: write a predictor anew, as steps that many rows take together.

`return model.predict([x])[0]` becomes `return (yield 0, (x,), ())`, and site 0 asks `model.predict(rows_1)` for all
rows: each gets its item of the result. All else of the predictor stays as it is, and runs for each row alone.
That a model treats each row as if it were alone is not known here: whoever uses the result proves it.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from nbslim.packer.inside_fit import NotDerivedError, as_definition, check_around
from nbslim.packer.inside_helpers import expanded
from nbslim.packer.inside_inline import SIMPLE, inlined
from nbslim.packer.inside_rows import FRAMES, MADE, Rows, has_question
from nbslim.packer.inside_scope import OwnTransformer, bindings, last_name, loads, within

if TYPE_CHECKING:
    from nbslim.packer.inside_fit import Function

WHOLE = {
    "argmax", "argmin", "max", "min", "sum", "mean", "item", "tolist", "squeeze", "ravel", "flatten",
    "float", "int", "bool", "str", "len", "list", "tuple",
}  # fmt: skip
"""What takes a result as a whole, whatever it holds: a row's own result must be there, and not all."""
STATES = {"no_grad", "inference_mode", "errstate", "catch_warnings", "config_context", "option_context"}
"""Contexts that only set what holds inside of them: two in a row are as good as one."""


@dataclass(frozen=True)
class Asking:
    """What a site asks, a function of lists of rows, and how a row's part is picked from the result."""

    ask: ast.FunctionDef
    pick: str | ast.Lambda
    """The name of a function in `nbslim.runtime.batched`, or a function."""
    by_column: bool


@dataclass(frozen=True)
class Derived:
    """A generator function, and what its questions are about, by their numbers.

    `direct`: it is none, and returns its only question, whose result is all that the predictor returns.
    """

    steps: ast.FunctionDef
    sites: tuple[Asking, ...]
    direct: bool


def derive(function: Function, helpers: Callable[[str], Function | None] = lambda _: None) -> Derived:
    """Return the steps and the sites of a predictor; `helpers` gives the syntax of functions that it calls.

    Raises NotDerivedError.
    """
    steps = inlined(expanded(as_definition(function), helpers))
    _Distribution().generic_visit(steps)
    sites = Sites(frozenset(bindings(steps)))
    _Items(sites).generic_visit(steps)
    _Parts(sites).generic_visit(steps)
    _Lifting(sites).generic_visit(steps)
    check_around(steps)
    if not sites.found:
        raise NotDerivedError("it asks no model about a list that holds the row alone")
    for one in sites.found:
        ast.fix_missing_locations(one.ask)
    direct = _make_direct(steps)
    return Derived(ast.fix_missing_locations(steps), tuple(sites.found), direct)


def _make_direct(steps: ast.FunctionDef) -> bool:
    """Return the question itself where `return (yield question)` is all, and tell whether it is."""
    last = steps.body[-1]
    ends = [one for one in within(steps) if isinstance(one, (ast.Return, ast.Yield))]
    if not isinstance(last, ast.Return) or ends != [last, last.value]:
        return False
    last.value = cast(ast.Yield, last.value).value
    return True


class Sites:
    """Collects the sites of a function whose own names are `local`."""

    def __init__(self, local: Collection[str]) -> None:
        self.local = local
        self.found: list[Asking] = []

    def question(self, value: ast.expr, pick: str | ast.Lambda) -> ast.Yield | None:
        """Return the question in place of `value`; None where it asks no model about one row."""
        rows = Rows(self.local, taken=loads(value))
        whole = cast(ast.expr, rows.visit(copy.deepcopy(value)))
        if not _asks(whole, rows.names) or any(
            isinstance(one, (ast.Yield, ast.NamedExpr)) for one in ast.walk(whole)
        ):
            return None
        rest = sorted(name for name in loads(whole) if name in self.local)
        by_column = any(last_name(one) in FRAMES for one in ast.walk(whole))
        self.found.append(Asking(_asking(whole, [*rows.names, *rest]), pick, by_column))
        asked = ast.Tuple(rows.rows, ast.Load())
        names: list[ast.expr] = [ast.Name(name, ast.Load()) for name in rest]
        number = ast.Constant(len(self.found) - 1)
        question = ast.Yield(ast.Tuple([number, asked, ast.Tuple(names, ast.Load())], ast.Load()))
        return ast.copy_location(question, value)


def _asks(whole: ast.expr, rows: Collection[str]) -> bool:
    """Tell whether something is called with all rows, and not only to make a table of them."""
    calls = [one for one in ast.walk(whole) if isinstance(one, ast.Call)]
    return any(
        last_name(call.func) not in {*MADE, "len"} and any(name in rows for name in loads(call))
        for call in calls
    )


def _asking(whole: ast.expr, arguments: list[str]) -> ast.FunctionDef:
    function = cast(ast.FunctionDef, ast.parse(f"def ask({', '.join(arguments)}): pass").body[0])
    function.body = [ast.copy_location(ast.Return(whole), whole)]
    for node in ast.walk(function.args):
        ast.copy_location(node, whole)
    return ast.copy_location(function, whole)


class _Items(OwnTransformer):
    """Finds what takes the first item of a result, or all of it: `predict([x])[0]`, `float(predict([x]))`."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """`V[0]`, `V[0, 1]`."""
        self.generic_visit(node)
        pick = _pick(node.slice) if isinstance(node.ctx, ast.Load) else None
        return (self.sites.question(node.value, pick) if pick else None) or node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`float(V)`, `V.item()`."""
        self.generic_visit(node)
        if last_name(node.func) not in WHOLE or node.keywords:
            return node
        if len(node.args) == 1:
            node.args = [self._part(node.args[0])]
        elif not node.args and isinstance(node.func, ast.Attribute):
            node.func.value = self._part(node.func.value)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """`[y] = V`."""
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) == 1 and isinstance(target, (ast.List, ast.Tuple)) and len(target.elts) == 1:
            question = self.sites.question(node.value, "item")
            if question and not isinstance(target.elts[0], ast.Starred):
                node.targets, node.value = [target.elts[0]], question
        return node

    def _part(self, value: ast.expr) -> ast.expr:
        return (self.sites.question(value, "part") if _is_answer(value) else None) or value


class _Parts(OwnTransformer):
    """Finds the results that are left: `return model.predict([x])`."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Ask for the whole call where that can be, or else for what is in it."""
        question = self.sites.question(node, "part") if _is_answer(node) else None
        return question or self.generic_visit(node)


def _is_answer(value: ast.expr) -> bool:
    """Tell whether a value may be a model's: it comes from a call that does more than to make a table."""
    return isinstance(value, ast.Call) and last_name(value.func) not in MADE


def _pick(index: ast.expr) -> str | ast.Lambda | None:
    """Return how the part of a row is picked where the predictor takes `[0]` or `[0, 1]`; None for another index."""
    if isinstance(index, ast.Constant):
        return "item" if type(index.value) is int and index.value == 0 else None
    if not isinstance(index, ast.Tuple) or len(index.elts) < 2 or _pick(index.elts[0]) != "item":
        return None
    if any(
        isinstance(one, (ast.Name, ast.Call, ast.Yield))
        for one in ast.walk(ast.Tuple(index.elts, ast.Load()))
    ):
        return None
    rest = ", ".join(map(ast.unparse, index.elts[1:]))
    pick = ast.parse(f"lambda result, place: result[place, {rest}]", mode="eval").body
    return cast(ast.Lambda, pick)


class _Distribution(OwnTransformer):
    """Gives each statement of a block a state of its own: `with no_grad(): a; b`."""

    def visit_With(self, node: ast.With) -> ast.AST | list[ast.stmt]:
        """Split the block."""
        self.generic_visit(node)
        if not _is_state(node):
            return node
        alone = [ast.With(copy.deepcopy(node.items), [one]) for one in node.body]
        return [ast.copy_location(one, node) for one in alone]


class _Lifting(OwnTransformer):
    """Moves a state from around a statement that asks to where the question is answered."""

    def __init__(self, sites: Sites) -> None:
        self.sites = sites

    def visit_With(self, node: ast.With) -> ast.AST:
        """`with no_grad(): y = V[0]`."""
        self.generic_visit(node)
        statement = node.body[0]
        own = any(name in self.sites.local for item in node.items for name in loads(item))
        if not _is_state(node) or own or not isinstance(statement, SIMPLE) or not has_question(statement):
            return node
        for one in ast.walk(statement):
            if isinstance(one, ast.Yield):
                number = cast(ast.Constant, cast(ast.Tuple, one.value).elts[0]).value
                ask = self.sites.found[cast(int, number)].ask
                ask.body = [ast.copy_location(ast.With(copy.deepcopy(node.items), ask.body), node)]
        return statement


def _is_state(node: ast.With) -> bool:
    """Tell whether a block only sets a state, and gives it no name."""
    return all(
        item.optional_vars is None
        and isinstance(item.context_expr, ast.Call)
        and last_name(item.context_expr.func) in STATES
        for item in node.items
    )
