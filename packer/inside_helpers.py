"""Runs in the notebook's kernel: put what a helper returns in place of its call, where it makes a table or asks."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

from nbslim.packer.inside_fit import NotDerivedError, as_definition
from nbslim.packer.inside_inline import inlined
from nbslim.packer.inside_rows import Rows, is_array_of_row
from nbslim.packer.inside_scope import OwnTransformer, bindings, loads, within

if TYPE_CHECKING:
    from nbslim.packer.inside_fit import Function

DEEP = 3
"""Helpers of helpers of helpers are looked into."""


def expanded(
    function: ast.FunctionDef, helpers: Callable[[str], Function | None], deep: int = DEEP
) -> ast.FunctionDef:
    """Return the function with its helpers' own expressions; `helpers` gives their syntax by their names."""
    function = copy.deepcopy(function)
    if deep:
        _Expansion(function, helpers, deep).generic_visit(function)
    return function


class _Expansion(OwnTransformer):
    def __init__(
        self, function: ast.FunctionDef, helpers: Callable[[str], Function | None], deep: int
    ) -> None:
        self.local = frozenset(bindings(function))
        self.helpers = helpers
        self.deep = deep

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """See `prepare(x)`."""
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id in self.local:
            return node
        helper = self._helper(node.func.id)
        given = _given(helper, node) if helper else None
        if helper is None or given is None:
            return node
        value = copy.deepcopy(cast(ast.expr, cast(ast.Return, helper.body[-1]).value))
        if not self._fits(value, given):
            return node
        placed = cast(ast.expr, _Arguments(given).visit(value))
        for one in ast.walk(placed):  # another cell's lines are none of this one's
            ast.copy_location(one, node)
        return placed

    def _helper(self, name: str) -> ast.FunctionDef | None:
        """Return a function that does nothing but to return what is made of a row of its arguments."""
        found = self.helpers(name)
        if found is None:
            return None
        try:
            helper = inlined(expanded(as_definition(found, alone=False), self.helpers, self.deep - 1))
        except NotDerivedError:
            return None
        body = [one for one in helper.body if not _is_text(one)]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            return None
        arguments = frozenset(bindings(helper))
        rows = Rows(arguments)
        rows.visit(copy.deepcopy(body[0].value))
        return helper if rows.rows or is_array_of_row(body[0].value, arguments) else None

    def _fits(self, value: ast.expr, given: Mapping[str, ast.expr]) -> bool:
        """Tell whether all names mean the same where the call was, and nothing is done twice that was done once."""
        own = set(loads(value)) - set(given)
        inner = {name for one in ast.walk(value) for name in bindings(one)}
        names = {name for argument in given.values() for name in loads(argument)}
        if own & self.local or inner & (names | set(given)):
            return False
        reads = _reads(value)
        return all(
            isinstance(argument, (ast.Name, ast.Constant)) or reads.count(name) == loads(value)[name] == 1
            for name, argument in given.items()
        )


def _given(helper: ast.FunctionDef, call: ast.Call) -> dict[str, ast.expr] | None:
    """Return the arguments of a call by the helper's names for them; None where they do not fit plainly."""
    names = [argument.arg for argument in (*helper.args.posonlyargs, *helper.args.args)]
    if any(isinstance(one, ast.Starred) for one in call.args) or len(call.args) > len(names):
        return None
    given = dict(zip(names, call.args))
    for word in call.keywords:
        if word.arg is None or word.arg in given:
            return None
        given[word.arg] = word.value
    return given if set(given) == set(names) else None


def _reads(value: ast.expr) -> list[str]:
    """Return the names that are read in `value` itself, other scopes aside."""
    return [one.id for one in (value, *within(value)) if isinstance(one, ast.Name)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


class _Arguments(ast.NodeTransformer):
    """Puts arguments in place of their names."""

    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """See the name of an argument."""
        return copy.deepcopy(self.given[node.id]) if node.id in self.given else node
