"""What changes by a call or a store: objects under their names, and settings of libraries."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import libcst as cst
from nbslim.analyzer.scopes import names_in
from nbslim.analyzer.statement import Effect
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.nodes import chain, dotted, imported_on_the_spot, roots, start
from nbslim.analyzer.syntax.resources import ALTERS, alters, changes_first, changes_settings
from nbslim.analyzer.syntax.values import shared

_SHOWN = 80
"""Characters of code that a report shows."""


class Changes:
    """Notes which names' objects may change, which surely do, and what would make a change again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.whole: cst.CSTNode | None = None
        """The assignment, the decorator, or the expression whose value nobody takes, inside which the walk is."""

    def call(self, node: cst.Call) -> None:
        """Note what may change because of a call: settings, its object, what is handed over, what functions do."""
        self._settings(node)
        if alters(node):
            self._put_into(node)
        values = [argument.value for argument in node.args]
        if isinstance(node.func, cst.Attribute):
            self.update(node.func.value)
        if values and changes_first(node):
            self.update(values[0])
        for value in values:
            if isinstance(value, cst.Attribute) and value.attr.value in ALTERS:
                self.update(value.value)
        self._hand_over(node, values)

    def store(self, target: cst.Attribute | cst.Subscript) -> None:
        """Note that `obj.attribute = ...` and `obj[key] = ...` change obj."""
        self.update(target.value)
        self._context.found.altered |= self._context.locals.shared_by(roots([target]))
        self._effect("store", target, target)

    def augment(self, target: cst.Name) -> None:
        """Note that `obj += ...` may change obj in place."""
        self.update(target)
        self._context.found.altered |= self._context.locals.shared_by([dotted(target)])

    def discard(self, value: cst.BaseExpression) -> None:
        """Note what an expression changes that stands alone."""
        if isinstance(value, cst.BinaryOperation):
            # `registry << function`: what an operator of the notebook's does is what it is written for.
            self.update(_leftmost(value))

    def decorate(self, decorator: cst.BaseExpression) -> None:
        """Note that a decorator is called with what it decorates: `@handler.register` changes handler."""
        if isinstance(decorator, cst.Attribute):
            self.update(decorator.value)

    def update(self, node: cst.CSTNode) -> None:
        """Note that the object may change at which the chain of a node starts."""
        changed = shared(start(node, through_calls=False))
        self._context.found.updates |= self._context.locals.shared_by(changed)

    def _settings(self, node: cst.Call) -> None:
        """Note a call that changes a library's settings, if what it starts from is imported."""
        if dotted(node.func) in ("setattr", "delattr") and node.args:
            self.update(node.args[0].value)
            self._effect("store", node.args[0].value, node)
        elif changes_settings(node, discarded=self.whole is node):
            self._effect("call", node.func, node)

    def _put_into(self, node: cst.Call) -> None:
        """Note that a method surely changes its object, which may keep what it is given."""
        changed = self._context.locals.shared_by(roots([node.func]))
        self._context.found.altered |= changed
        handed = self._context.locals.shared_by(roots(argument.value for argument in node.args))
        self._context.found.kept += [(name, handed) for name in changed if handed]

    def _hand_over(self, node: cst.Call, values: list[cst.BaseExpression]) -> None:
        """Note which function is called with what."""
        handed = self._context.locals.shared_by(roots(values))
        root = start(node.func, through_calls=True)
        calls = self._context.found.calls
        if isinstance(root, cst.Name):
            calls.append((self._context.callee(node) if root is node.func else dotted(root), handed))
        # What is handed over may be called, with what else is handed over.
        calls += [(dotted(value), handed) for value in values if isinstance(value, cst.Name)]

    def _effect(self, kind: Literal["store", "call"], changed: cst.CSTNode, node: cst.CSTNode) -> None:
        root = start(changed, through_calls=True)
        if not isinstance(root, cst.Name) or self._context.locals.has(dotted(root)):
            return
        code = self._context.source.code
        what = code(node).partition("\n")[0].rstrip()
        shortened = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 3]}..."
        whole = self.whole if kind == "store" and self.whole is not None else node
        line = self._context.line(node)
        effect = Effect(dotted(root), shortened, line, kind, chain(changed), _names_in(code(whole)))
        self._context.found.effects.append(replace(effect, module=imported_on_the_spot(changed)))


def _leftmost(node: cst.BaseExpression) -> cst.BaseExpression:
    while isinstance(node, cst.BinaryOperation):
        node = node.left
    return node


def _names_in(code: str) -> frozenset[str]:
    try:
        return names_in(code)
    except SyntaxError:  # the target of a loop or a `with`
        return frozenset()
