"""Runs in the notebook's kernel: put a table of one row where the function uses it, in place of its name."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import cast

from nbslim.packer.inside_rows import MADE, Rows, is_array_of_row
from nbslim.packer.inside_scope import SCOPES, bindings, last_name, loads, within

CHEAP = {*MADE, "transform"}
SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.Expr)


def inlined(function: ast.FunctionDef) -> ast.FunctionDef:
    """Return the function with `X = np.array([x])` taken out, and `np.array([x])` for each `X` after it."""
    function = copy.deepcopy(function)
    _rename(function)
    while any(_inline_one(function, block) for block in _blocks(function)):
        pass
    return function


def _rename(function: ast.FunctionDef) -> None:
    """Give a name that the function binds anew another name from there on: `x = np.array(x)`."""
    body, bound = function.body, {one.arg for one in ast.walk(function.args) if isinstance(one, ast.arg)}
    for place, statement in enumerate(body):
        named = _named(statement)
        if named and named[0] in bound and not _is_argument(body[place:], named[0]):
            name = f"{named[0]}_{place}"
            cast(
                ast.Name, getattr(statement, "target", None) or cast(ast.Assign, statement).targets[0]
            ).id = name
            for later in body[place + 1 :]:
                for one in ast.walk(later):
                    if isinstance(one, ast.Name) and one.id == named[0]:
                        one.id = name
        bound |= set(bindings(ast.Module([statement], [])))


def _is_argument(statements: Sequence[ast.stmt], name: str) -> bool:
    """Tell whether an inner function has an argument of this name."""
    nodes = (one for statement in statements for one in ast.walk(statement))
    return any(isinstance(one, ast.arg) and one.arg == name for one in nodes)


def _blocks(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    for node in [function, *within(function)]:
        if not isinstance(node, SCOPES) or node is function:
            blocks = (getattr(node, part, None) for part in ("body", "orelse", "finalbody"))
            yield from (block for block in blocks if isinstance(block, list))


def _inline_one(function: ast.FunctionDef, block: list[ast.stmt]) -> bool:
    for place, statement in enumerate(block):
        named = _named(statement)
        if named is None:
            continue
        name, value = named
        end = _last_use(function, block[place + 1 :], name)
        once = loads(function)[name] == 1
        if (
            end
            and _is_table(function, value, once=once)
            and _stays(value, block[place + 1 : place + 1 + end])
        ):
            put = _Put(name, value)
            block[place : place + 1 + end] = [put.visit(one) for one in block[place + 1 : place + 1 + end]]
            return True
    return False


def _named(statement: ast.stmt) -> tuple[str, ast.expr] | None:
    """Return name and value of `name = value`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target: ast.expr = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign) and statement.value:
        target = statement.target
    else:
        return None
    return (target.id, cast(ast.expr, statement.value)) if isinstance(target, ast.Name) else None


def _is_table(function: ast.FunctionDef, value: ast.expr, *, once: bool) -> bool:
    if isinstance(value, ast.Subscript) or not (once or _is_cheap(value)):
        return False
    local = frozenset(bindings(function))
    rows = Rows(local)
    rows.visit(copy.deepcopy(value))
    return bool(rows.rows) or is_array_of_row(value, local)


def _is_cheap(value: ast.expr) -> bool:
    """Tell whether a value may be made more than once: no model is asked."""
    return isinstance(value, ast.List) or (isinstance(value, ast.Call) and last_name(value.func) in CHEAP)


def _last_use(function: ast.FunctionDef, after: Sequence[ast.stmt], name: str) -> int:
    """Return how many statements of `after` it takes to see every use of `name`; 0 where one must stay a name."""
    if bindings(function)[name] != 1:
        return 0
    total, seen = loads(function)[name], 0
    for count, statement in enumerate(after, 1):
        uses = [node for node in _always(statement) if isinstance(node, ast.Name) and node.id == name]
        seen += len(uses)
        if len(uses) != loads(statement)[name]:
            return 0
        if total > 1 and uses and not _only_handed_over(statement, uses):
            return 0
        if seen == total:
            return count if total else 0
    return 0


def _always(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that run once wherever `node` runs: the value might not have been made in the others."""
    if isinstance(node, (ast.If, ast.While)):
        children: list[ast.AST] = [node.test] if isinstance(node, ast.If) else []
    elif isinstance(node, ast.IfExp):
        children = [node.test]
    elif isinstance(node, ast.BoolOp):
        children = [node.values[0]]
    elif isinstance(node, (ast.For, ast.Try, *SCOPES)):
        children = []
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield child
        yield from _always(child)


def _only_handed_over(statement: ast.stmt, uses: Sequence[ast.AST]) -> bool:
    """Tell whether the value is only an argument wherever it is used: then nothing of the function changes it."""
    calls = [node for node in within(statement) if isinstance(node, ast.Call)]
    handed = [given for call in calls for given in (*call.args, *(word.value for word in call.keywords))]
    return all(any(use is given for given in handed) for use in uses)


def _stays(value: ast.expr, until: Sequence[ast.stmt]) -> bool:
    """Tell whether `value` is the same after all but the last of the statements `until`, and in that one, too."""
    names = set(loads(value))
    for statement in until:
        if names & set(bindings(ast.Module([statement], []))):
            return False
    return not any(names & _changed(statement) for statement in until[:-1])


def _changed(statement: ast.stmt) -> set[str]:
    """Return the names whose values a statement may change in place."""
    if isinstance(statement, ast.Expr):
        return set(loads(statement))
    if not isinstance(statement, SIMPLE):
        return set(loads(statement))
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return {name for target in targets if target is not None for name in loads(target)}


class _Put(ast.NodeTransformer):
    def __init__(self, name: str, value: ast.expr) -> None:
        self.name, self.value = name, value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        """Put the value in place of its name."""
        if node.id == self.name and isinstance(node.ctx, ast.Load):
            return copy.deepcopy(self.value)
        return node
