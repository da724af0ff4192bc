"""What stands below a statement: imports, changes, calls, texts that name things, at once and inside functions."""

from __future__ import annotations

from dataclasses import replace

import libcst as cst
from nbslim.analyzer.syntax.arguments import Arguments
from nbslim.analyzer.syntax.changes import Changes
from nbslim.analyzer.syntax.context import Context
from nbslim.analyzer.syntax.dynamic_imports import DynamicImports
from nbslim.analyzer.syntax.flow import FlowVisitor
from nbslim.analyzer.syntax.imports import imports_of
from nbslim.analyzer.syntax.literal_code import LiteralCode
from nbslim.analyzer.syntax.mentions import Mentions
from nbslim.analyzer.syntax.namespaces import Namespaces, is_namespace
from nbslim.analyzer.syntax.nodes import dotted, last_part
from nbslim.analyzer.syntax.source import Source
from nbslim.analyzer.syntax.surroundings import Surroundings
from nbslim.analyzer.syntax.texts import runs_through


class Finder(FlowVisitor):
    """Shows each node of a statement to those that know what to note of it."""

    def __init__(self, source: Source, around: Surroundings) -> None:
        super().__init__(Context(source, around))
        self.annotated = False
        """Whether a function annotates a variable of its own."""
        self._imports = DynamicImports(self.context)
        self._arguments = Arguments(self.context)
        self._mentions = Mentions(self.context)
        self._changes = Changes(self.context)
        self._namespaces = Namespaces(self.context)
        self._code = LiteralCode(self.context, self.walk)

    # Imports, names and calls

    def visit_Import(self, node: cst.Import) -> None:
        self._import(node)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        self._import(node)

    def _import(self, node: cst.Import | cst.ImportFrom) -> None:
        for imported in imports_of(node):
            self.context.add_import(replace(imported, line=self.context.line(node)))

    def visit_Call(self, node: cst.Call) -> None:
        self._imports.call(node)
        self._code.call(node)
        self._namespaces.call(node)
        self._mentions.call(node)
        self._arguments.call(node)
        self._changes.call(node)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self._mentions.attribute(node)

    def visit_Name(self, node: cst.Name) -> None:
        self._mentions.name(node)

    def visit_Subscript(self, node: cst.Subscript) -> None:
        index = node.slice[0].slice if len(node.slice) == 1 else None
        item = index.value if isinstance(index, cst.Index) else None
        if is_namespace(node.value):
            self._namespaces.read(node, item)
        elif item is not None and last_part(node.value) == "environ":
            self._arguments.hold("variable", item, node)
        elif item is not None and dotted(node.value) == "sys.modules":
            self._imports.spelled(item, self.context.line(node))

    # What is bound and stored

    def visit_Assign(self, node: cst.Assign) -> None:
        self._changes.whole = node
        for target in node.targets:
            name = target.target
            texts = {dotted(name): self.context.texts(node.value)} if isinstance(name, cst.Name) else {}
            self.context.locals.bind(name, node.value, texts)
            self._arguments.option(name, node.value, node)

    def leave_Assign(self, _node: cst.Assign) -> None:
        self._changes.whole = None

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self.store(node.target)
        if isinstance(node.target, cst.Name):
            self._changes.augment(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.annotated = self.annotated or self.context.function is not None
        self.store(node.target)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        if self.context.function is None and isinstance(node.target, cst.Name):
            self.context.may_bind.add(dotted(node.target))

    def visit_For(self, node: cst.For) -> None:
        self.context.locals.bind(node.target, node.iter, runs_through(node.target, node.iter))
        self.store(node.target)

    def visit_CompFor(self, node: cst.CompFor) -> None:
        self.store(node.target)

    def visit_AsName(self, node: cst.AsName) -> None:
        if isinstance(node.name, (cst.Attribute, cst.Subscript, cst.Tuple, cst.List)):
            self.store(node.name)

    def visit_Del(self, node: cst.Del) -> None:
        self.store(node.target)

    def store(self, target: cst.BaseExpression | cst.BaseDelTargetExpression) -> None:
        """Look at what an assignment or a `del` stores in: `a, b.c = ...` changes b."""
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self.store(element.value)
        elif isinstance(target, (cst.Attribute, cst.Subscript)):
            self._changes.store(target)
            if isinstance(target, cst.Subscript):
                self._namespaces.store(target)

    # What is done for what it changes

    def visit_Expr(self, node: cst.Expr) -> None:
        self._changes.whole = node.value
        self._changes.discard(node.value)

    def leave_Expr(self, _node: cst.Expr) -> None:
        self._changes.whole = None

    def visit_Decorator(self, node: cst.Decorator) -> None:
        self._changes.whole = node.decorator
        self._changes.decorate(node.decorator)

    def leave_Decorator(self, _node: cst.Decorator) -> None:
        self._changes.whole = None
