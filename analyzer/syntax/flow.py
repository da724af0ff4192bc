"""In what order Python runs the parts of functions and blocks, and which parts it may leave out."""

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst
from nbslim.analyzer.syntax.conditions import negated, tested
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.imports import imported_in
from nbslim.analyzer.syntax.nodes import catches_import_errors, defaults, evaluated, last_part
from nbslim.analyzer.syntax.visiting import Visitor


class FlowVisitor(Visitor):
    """Walks functions, comprehensions and blocks, and keeps the context up to date on the way."""

    def __init__(self, context: Context) -> None:
        self.context = context

    # Functions and comprehensions

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        for part in (*node.decorators, *evaluated(node)):
            self.walk(part)
        # Its code begins with its first decorator, and is known by that line.
        first = node.decorators[0].decorator if node.decorators else node
        self._function_body(first, node)
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        for default in defaults(node.params):
            self.walk(default)
        self._function_body(node, node)
        return False

    def _function_body(self, first: cst.CSTNode, node: cst.FunctionDef | cst.Lambda) -> None:
        self.context.locals.enter_function(self.context.line(first), node.params)
        self.walk(node.body)
        self.context.locals.leave()

    def visit_ListComp(self, node: cst.BaseComp) -> None:
        self.context.locals.enter_comprehension(node)

    def leave_ListComp(self, _node: cst.BaseComp) -> None:
        self.context.locals.leave()

    # The others are alike.
    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp
    leave_SetComp = leave_DictComp = leave_GeneratorExp = leave_ListComp

    # Parts that may not run

    def visit_Try(self, node: cst.Try | cst.TryStar) -> bool:
        guarded = any(catches_import_errors(handler) for handler in node.handlers)
        before = self.context.instead_of
        with self.context.optionally(guarded):
            self.walk(node.body)
            if node.orelse:
                self.walk(node.orelse)
        self.context.instead_of = before + imported_in(node.body) if guarded else before
        for handler in node.handlers:
            self.walk(handler)
        self.context.instead_of = before
        if node.finalbody:
            self.walk(node.finalbody)
        return False

    visit_TryStar = visit_Try

    def visit_With(self, node: cst.With) -> bool:
        for item in node.items:
            self.walk(item)
        with self.context.optionally(suppresses(node, self.context.aliases)):
            self.walk(node.body)
        return False

    def visit_IndentedBlock(self, node: cst.IndentedBlock) -> bool:
        for line in node.body:
            self.walk(line)
            if ends_block(line):
                break
        return False

    def visit_If(self, node: cst.If) -> bool:
        # Only reached inside functions and match statements; module-level ones are taken apart before.
        self.walk(node.test)
        before, (holds, conditions) = self.context.conditions, tested(node.test)
        if holds is not False:
            self.context.conditions = before + conditions
            with self.context.optionally(looks_for_module(node.test)):
                self.walk(node.body)
        if node.orelse and holds is not True:
            self.context.conditions = before + negated((holds, conditions))[1]
            self.walk(node.orelse)
        self.context.conditions = before
        return False


def suppresses(node: cst.With, aliases: Mapping[str, str]) -> bool:
    """Tell whether code goes on after an import that fails in this block."""
    callees = (last_part(item.item.func) for item in node.items if isinstance(item.item, cst.Call))
    return any(aliases.get(callee, callee) == "suppress" for callee in callees)


def looks_for_module(test: cst.BaseExpression) -> bool:
    """Tell whether a test asks if a module is there, so that code goes on where it is not."""
    call = test.left if isinstance(test, cst.Comparison) else test
    return isinstance(call, cst.Call) and last_part(call.func) == "find_spec"


def ends_block(line: cst.CSTNode) -> bool:
    """Tell whether nothing after a line of the same block is ever run."""
    last = line.body[-1] if isinstance(line, cst.SimpleStatementLine) else None
    return isinstance(last, (cst.Return, cst.Raise, cst.Break, cst.Continue))
