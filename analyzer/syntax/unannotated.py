"""Functions without the annotations of their own variables, which symtable counts and Python never evaluates."""

from __future__ import annotations

import libcst as cst


def unannotated(node: cst.CSTNode) -> cst.CSTNode:
    """Return a copy of `node` in which variables of functions are annotated with None."""
    copy = node.visit(_Unannotated())
    assert isinstance(copy, cst.CSTNode)  # nothing is removed, and nothing becomes several nodes
    return copy


class _Unannotated(cst.CSTTransformer):
    def __init__(self) -> None:
        super().__init__()
        self._scopes: list[type[cst.CSTNode]] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._scopes.append(cst.FunctionDef)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self._scopes.append(cst.ClassDef)

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        self._scopes.pop()
        return updated_node

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self._scopes.pop()
        return updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        if self._scopes[-1:] != [cst.FunctionDef]:
            return updated_node
        return updated_node.with_changes(annotation=cst.Annotation(cst.Name("None")))
