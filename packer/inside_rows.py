"""Runs in the notebook's kernel: find in an expression what makes a table of one row, and write it for many rows."""

from __future__ import annotations

import ast
import copy
from collections.abc import Collection, Sequence
from typing import cast

from nbslim.packer.inside_scope import SCOPES, last_name, loads

ARRAYS = {
    "array",
    "asarray",
    "asanyarray",
    "ascontiguousarray",
    "tensor",
    "as_tensor",
    "FloatTensor",
    "constant",
}
FRAMES = {"DataFrame", "from_records", "json_normalize", "Series"}
MADE = {
    *ARRAYS,
    *FRAMES,
    "DMatrix",
    "csr_matrix",
    "atleast_2d",
    "expand_dims",
    "reshape",
    "astype",
    "to_numpy",
}
"""What makes a table of rows, and asks no model about them."""


def is_of_row(node: ast.AST, local: Collection[str]) -> bool:
    """Tell whether a value may be another one for each row: it is made of the function's `local` names."""
    return any(name in local for name in loads(node)) or has_question(node)


def has_question(node: ast.AST) -> bool:
    """Tell whether a question to a model is in there already."""
    return any(isinstance(one, ast.Yield) for one in ast.walk(node))


def is_array_of_row(node: ast.AST, local: Collection[str]) -> bool:
    """Tell whether `node` makes an array of a row: `np.array(row)`, `np.asarray(row).astype(float)`."""
    if not isinstance(node, ast.Call):
        return False
    if last_name(node.func) == "astype" and isinstance(node.func, ast.Attribute):
        return is_array_of_row(node.func.value, local)
    given = node.args[:1]
    return last_name(node.func) in ARRAYS and bool(given) and is_of_row(given[0], local)


class Rows(ast.NodeTransformer):
    """Puts a name for a list of rows wherever a table of one row is made; `rows` are the expressions of the row.

    `[row]` becomes `rows_1`; so does what adds a first axis to an array of the row: `np.array(row).reshape(1, -1)`
    is `np.array(rows_1).reshape(len(rows_1), -1)`.
    """

    def __init__(self, local: Collection[str], taken: Collection[str] = ()) -> None:
        self.local = local
        self.taken = taken
        self.rows: list[ast.expr] = []
        self.names: list[str] = []

    def visit(self, node: ast.AST) -> ast.AST:
        """Leave other scopes alone: what is a row there is none here."""
        return node if isinstance(node, SCOPES) else cast(ast.AST, super().visit(node))

    def visit_List(self, node: ast.List) -> ast.AST:
        """See `[row]`."""
        if len(node.elts) != 1 or isinstance(node.elts[0], ast.Starred) or not self._is_row(node.elts[0]):
            return self.generic_visit(node)
        return self._rows(node.elts[0])

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """See `np.array(row)[None]`, `np.array(row)[np.newaxis, :]`."""
        index = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        new = (isinstance(index, ast.Constant) and index.value is None) or last_name(index) == "newaxis"
        if new and _takes_all(node.slice) and is_array_of_row(node.value, self.local):
            return self._array(node.value)
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """See what adds an axis, and a frame of scalars."""
        made = self._reshaped(node) or self._with_axis(node) or self._frame(node)
        return ast.copy_location(made, node) if made else self.generic_visit(node)

    def _reshaped(self, node: ast.Call) -> ast.expr | None:
        """`E.reshape(1, -1)`, `np.reshape(E, (1, -1))`."""
        if last_name(node.func) not in {"reshape", "view"} or node.keywords:
            return None
        method = isinstance(node.func, ast.Attribute) and ast.unparse(ast.Tuple(node.args, ast.Load()))
        if method in {"(1, -1)", "((1, -1),)"}:
            value = cast(ast.Attribute, node.func).value
        elif len(node.args) == 2 and ast.unparse(node.args[1]) in {"(1, -1)", "[1, -1]"}:
            value = node.args[0]
        else:
            return None
        if not self._is_row(value):
            return None
        if not is_array_of_row(value, self.local):
            return self._rows(_expression("_[0]", _=copy.deepcopy(node)))
        array = self._array(value)
        return _expression("_.reshape(len(_rows), -1)", _=array, _rows=self._name(-1))

    def _with_axis(self, node: ast.Call) -> ast.expr | None:
        """`np.expand_dims(E, 0)`, `E.unsqueeze(0)`, `np.atleast_2d(E)`, where E is an array of the row."""
        name, given = last_name(node.func), [*node.args, *(word.value for word in node.keywords)]
        if name == "unsqueeze" and isinstance(node.func, ast.Attribute):
            given.insert(0, node.func.value)
        zero = len(given) == 2 and ast.unparse(given[1]) == "0"
        if name in {"unsqueeze", "expand_dims"} and zero and is_array_of_row(given[0], self.local):
            return self._array(given[0])
        if name == "atleast_2d" and len(given) == 1 and is_array_of_row(given[0], self.local):
            return self._array(given[0])
        return None

    def _frame(self, node: ast.Call) -> ast.expr | None:
        """`pd.DataFrame(row, index=[0])`."""
        one = [word for word in node.keywords if word.arg == "index" and ast.unparse(word.value) == "[0]"]
        if (
            last_name(node.func) != "DataFrame"
            or not one
            or len(node.args) != 1
            or not self._is_row(node.args[0])
        ):
            return None
        others = [word for word in node.keywords if word not in one]
        return ast.Call(node.func, [self._rows(node.args[0])], others)

    def _array(self, node: ast.expr) -> ast.expr:
        """Return the array with many rows in place of its one."""
        call = cast(ast.Call, copy.copy(node))
        if last_name(call.func) == "astype":
            method = cast(ast.Attribute, copy.copy(call.func))
            method.value, call.func = self._array(method.value), method
        else:
            call.args = [self._rows(call.args[0]), *call.args[1:]]
        return call

    def _is_row(self, node: ast.expr) -> bool:
        return is_of_row(node, self.local)

    def _rows(self, row: ast.expr) -> ast.expr:
        self.rows.append(row)
        name = f"rows_{len(self.rows)}"
        while name in self.taken:
            name += "_"
        self.names.append(name)
        return ast.copy_location(self._name(-1), row)

    def _name(self, number: int) -> ast.Name:
        return ast.Name(self.names[number], ast.Load())


def _takes_all(index: ast.expr) -> bool:
    """Tell whether all but the first part of an index are `:`."""
    rest: Sequence[ast.expr] = index.elts[1:] if isinstance(index, ast.Tuple) else ()
    return all(ast.unparse(part) in {":", "..."} for part in rest)


def _expression(text: str, **values: ast.expr) -> ast.expr:
    """Return the expression that `text` writes, with `values` in place of their names."""

    class Put(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return values.get(node.id, node)

    return cast(ast.expr, Put().visit(ast.parse(text, mode="eval").body))
