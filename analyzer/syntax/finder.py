"""What stands below a statement: imports, changes, calls, texts that name things, at once and inside functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import libcst as cst
from nbslim.analyzer.constants import Text, Variable, resolved
from nbslim.analyzer.hidden import CHOICES, CHOOSERS, CHOOSING, FUNCTIONS, OPENERS, RANDOM
from nbslim.analyzer.scopes import names_in
from nbslim.analyzer.statement import (
    Body,
    Condition,
    Effect,
    Imported,
    Mention,
    Opaque,
    Resource,
    ResourceKind,
    named_import,
)
from nbslim.analyzer.syntax.conditions import negated, tested
from nbslim.analyzer.syntax.imports import imported_in, imports_of
from nbslim.analyzer.syntax.nodes import (
    catches_import_errors,
    chain,
    dotted,
    elements,
    is_call,
    last_part,
    parameters,
    roots,
    start,
    string,
)
from nbslim.analyzer.syntax.resources import changes_settings, resource_of
from nbslim.analyzer.syntax.texts import Names, runs_through, texts_of
from nbslim.analyzer.syntax.values import shared

IMPORTERS = frozenset({"__import__", "import_module"})
"""Functions that import what their first argument names."""

NAMERS = frozenset({"find_spec", "locate", "resolve_name", "run_module"})
"""Functions that import what their first argument names, if they are what their name says."""

_OPAQUE = frozenset({"eval", "exec"})
_FILE = re.compile(r"[\w./\\-]*\w\.[A-Za-z]\w{0,9}")
_MODULE = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[\w.]+)?")
_NAMESPACES = frozenset({"globals", "locals", "vars"})
_SHOWN = 80
"""Characters of code that a report shows."""


class Source(Protocol):
    """Where nodes come from: their code and their lines."""

    def code(self, node: cst.CSTNode) -> str:
        """Return the code of a node."""

    def line(self, node: cst.CSTNode) -> int:
        """Return the first line of a node."""


@dataclass(frozen=True)
class Surroundings:
    """What the blocks around a statement say of it."""

    conditional: bool = False
    optional: bool = False
    conditions: tuple[Condition, ...] = ()
    instead_of: tuple[str, ...] = ()
    texts: Names = field(default_factory=dict)
    """What the variables of loops around it run through."""

    def maybe(self) -> Surroundings:
        """Return those of a part that may not run."""
        return replace(self, conditional=True)

    def under(self, conditions: tuple[Condition, ...]) -> Surroundings:
        """Return those of a part that runs under conditions, or, without any, under unknown ones."""
        return replace(self, conditions=self.conditions + conditions) if conditions else self.maybe()


@dataclass
class _Found:
    imports: list[Imported] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    updates: set[str] = field(default_factory=set)
    calls: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    names: frozenset[str] = frozenset()
    """Names in literal code, or spelled out where a namespace is asked for them."""

    def body(self, names: Iterable[str]) -> Body:
        """Return it all, with the names that scopes tell."""
        return Body(
            names=self.names.union(names),
            imports=tuple(self.imports),
            opaque=tuple(self.opaque),
            mentions=tuple(self.mentions),
            resources=tuple(self.resources),
            effects=tuple(self.effects),
            files=frozenset(self.files),
            updates=frozenset(self.updates),
            calls=tuple(self.calls),
        )


@dataclass
class _Scope:
    """What is known of the local names of a function, or of the variables of loops."""

    line: int
    texts: dict[str, tuple[Text, ...]] = field(default_factory=dict)
    shares: dict[str, frozenset[str]] = field(default_factory=dict)
    function: bool = True


class Finder(cst.CSTVisitor):
    """Collects what one statement does, inside functions apart from at once."""

    def __init__(self, source: Source, around: Surroundings) -> None:
        super().__init__()
        self.source = source
        self.at_once, self.deferred = _Found(), _Found()
        self.binds: set[str] = set()
        """Names that literal code binds."""
        self.annotated = False
        self._scopes: list[_Scope] = [_Scope(0, dict(around.texts), function=False)]
        self._optional = int(around.optional)
        self._instead_of: tuple[str, ...] = around.instead_of
        self._conditions: tuple[Condition, ...] = ()

    @property
    def _function(self) -> int | None:
        return next((scope.line for scope in reversed(self._scopes) if scope.function), None)

    @property
    def _found(self) -> _Found:
        return self.at_once if self._function is None else self.deferred

    @property
    def _names(self) -> Mapping[str, tuple[Text, ...]]:
        known: dict[str, tuple[Text, ...]] = {}
        for scope in self._scopes:
            known.update(scope.texts)
        return known

    # Functions and loops

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self._scopes.append(_Scope(self._line(node), _unknown(node.params)))

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self._scopes.pop()

    def visit_Lambda(self, node: cst.Lambda) -> None:
        self._scopes.append(_Scope(self._line(node), _unknown(node.params)))

    def leave_Lambda(self, original_node: cst.Lambda) -> None:
        self._scopes.pop()

    def visit_For(self, node: cst.For) -> None:
        self._bind(node.target, node.iter, runs_through(node.target, node.iter))

    def visit_ListComp(self, node: cst.ListComp) -> None:
        self._comprehend(node)

    def visit_SetComp(self, node: cst.SetComp) -> None:
        self._comprehend(node)

    def visit_DictComp(self, node: cst.DictComp) -> None:
        self._comprehend(node)

    def visit_GeneratorExp(self, node: cst.GeneratorExp) -> None:
        self._comprehend(node)

    def leave_ListComp(self, original_node: cst.ListComp) -> None:
        self._scopes.pop()

    def leave_SetComp(self, original_node: cst.SetComp) -> None:
        self._scopes.pop()

    def leave_DictComp(self, original_node: cst.DictComp) -> None:
        self._scopes.pop()

    def leave_GeneratorExp(self, original_node: cst.GeneratorExp) -> None:
        self._scopes.pop()

    def _comprehend(self, node: cst.BaseComp) -> None:
        self._scopes.append(_Scope(self._line(node), function=False))
        part: cst.CompFor | None = node.for_in
        while part:
            self._bind(part.target, part.iter, runs_through(part.target, part.iter), local=True)
            part = part.inner_for_in

    def _bind(
        self,
        target: cst.CSTNode,
        value: cst.CSTNode,
        texts: Mapping[str, tuple[Text, ...]],
        *,
        local: bool = False,
    ) -> None:
        """Remember what a local name stands for; module-level ones are the graph's to know."""
        if self._function is None and not local:
            return
        scope = self._scopes[-1]
        for name, found in texts.items():
            scope.texts[name] = () if name in scope.texts else found
        for name in roots([target]) if isinstance(target, cst.Name) else shared(target):
            scope.shares[name] = scope.shares.get(name, frozenset()) | self._globals(shared(value))

    def _globals(self, names: Iterable[str]) -> frozenset[str]:
        """Return `names` with those in place of local ones whose objects these share."""
        found: set[str] = set()
        for name in names:
            scopes = [scope for scope in self._scopes if name in scope.shares]
            found |= scopes[-1].shares[name] if scopes else {name}
        return frozenset(found)

    # Parts that may not run

    def visit_Try(self, node: cst.Try) -> bool:
        guarded = any(catches_import_errors(handler) for handler in node.handlers)
        before = self._instead_of
        with self._optionally(guarded):
            node.body.visit(self)
            if node.orelse:
                node.orelse.visit(self)
        self._instead_of = imported_in(node.body) if guarded else before
        for handler in node.handlers:
            handler.visit(self)
        self._instead_of = before
        if node.finalbody:
            node.finalbody.visit(self)
        return False

    @contextmanager
    def _optionally(self, guarded: bool) -> Iterator[None]:  # noqa: FBT001 -- says of what follows what it is
        self._optional += guarded
        yield
        self._optional -= guarded

    def visit_With(self, node: cst.With) -> bool:
        for item in node.items:
            item.visit(self)
        with self._optionally(suppresses(node)):
            node.body.visit(self)
        return False

    def visit_If(self, node: cst.If) -> bool:
        # Only reached inside functions and match statements; module-level ones are taken apart before.
        node.test.visit(self)
        before, (holds, conditions) = self._conditions, tested(node.test)
        if holds is not False:
            self._conditions = before + conditions
            node.body.visit(self)
        if node.orelse and holds is not True:
            self._conditions = before + negated((holds, conditions))[1]
            node.orelse.visit(self)
        self._conditions = before
        return False

    # Imports

    def visit_Import(self, node: cst.Import) -> None:
        self._add_all(node)

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        self._add_all(node)

    def _add_all(self, node: cst.Import | cst.ImportFrom) -> None:
        for imported in imports_of(node):
            self._add(replace(imported, line=self._line(node)))

    def _add(self, imported: Imported) -> None:
        self._found.imports.append(
            replace(
                imported,
                optional=imported.optional or self._optional > 0,
                function=self._function,
                instead_of=self._instead_of,
                conditions=self._conditions,
            )
        )

    def _dynamic_import(self, named: cst.CSTNode | None, line: int) -> None:
        texts = texts_of(named, self._names) if named else ()
        open_ones = tuple(text for text in texts if any(isinstance(part, Variable) for part in text))
        if named is not None:
            self._spelled_import(named, line, optional=False)
        if open_ones or not texts:
            what = "a computed module name"
            self._found.opaque.append(Opaque(what, line, texts=open_ones, function=self._function))

    def _spelled_import(self, named: cst.CSTNode, line: int, *, optional: bool = True) -> None:
        for text in texts_of(named, self._names):
            name = resolved(text, lambda _: None)
            if name is not None and _MODULE.fullmatch(name):
                self._add(replace(named_import(name.replace(":", "."), line), optional=optional))

    # Calls

    def visit_Call(self, node: cst.Call) -> None:
        name, function, line = dotted(node.func), last_part(node.func), self._line(node)
        first = node.args[0].value if node.args else None
        if name in IMPORTERS or (function in IMPORTERS and name.startswith("importlib")):
            self._dynamic_import(first, line)
        elif function in NAMERS and first is not None:
            self._spelled_import(first, line)
        elif name in _OPAQUE:
            self._literal_code(name, first, line)
        elif name == "get_ipython" and self._function is not None:
            self._found.opaque.append(Opaque("get_ipython()", line, served=False, function=self._function))
        elif name == "map" and first is not None and last_part(first) in IMPORTERS and len(node.args) == 2:
            for item in elements(node.args[1].value) or ():
                self._dynamic_import(item, line)
        self._resource(node, line)
        self._literals(node, name)
        self._setting(node)
        if isinstance(node.func, cst.Attribute):
            self._update(node.func.value)
        elif isinstance(node.func, cst.Name):
            handed = self._globals(roots(argument.value for argument in node.args))
            self._found.calls.append((name, handed))
        # What is handed over may be called, too.
        self._found.calls += [
            (dotted(a.value), frozenset()) for a in node.args if isinstance(a.value, cst.Name)
        ]

    def _literal_code(self, name: str, first: cst.CSTNode | None, line: int) -> None:
        self._found.opaque.append(Opaque(f"{name}()", line, function=self._function))
        code = string(first) if first is not None else None
        if code is None:
            return
        try:
            self._found.names |= names_in(code.strip())
            module = cst.parse_module(code.strip())
        except (SyntaxError, ValueError, cst.ParserSyntaxError):
            return
        for imported in imports_of(module):
            self._add(replace(imported, line=line))
            if self._function is None and imported.bound:
                self.binds.add(imported.bound)

    def _resource(self, node: cst.Call, line: int) -> None:
        if (found := resource_of(node)) is not None:
            kind, named, callee = found
            self._hold(kind, named, line, callee)

    def _hold(self, kind: ResourceKind, named: cst.CSTNode, line: int, callee: str | None = None) -> None:
        texts = texts_of(named, self._names)
        self._found.resources.append(Resource(kind, texts, line, self._function, callee))

    def _literals(self, node: cst.Call, name: str) -> None:
        """Look at the strings that are handed over: names of files, of packages, of what a library is to use."""
        function = name.rpartition(".")[2]
        for position, argument in enumerate(node.args):
            text = string(argument.value)
            if text is None:
                continue
            chosen = argument.keyword.value in CHOOSERS if argument.keyword else function in CHOOSING
            named = (function in OPENERS or name == "spacy.load") and position == 0
            if (chosen and text in CHOICES) or (named and all(map(str.isidentifier, text.split(".")))):
                self._add(Imported(text, self._line(node), optional=True))
            elif _FILE.fullmatch(text):
                self._found.files.add(text)

    # Changes

    def _setting(self, node: cst.Call) -> None:
        """Note a call that changes a library's settings, if what it starts from is imported."""
        if dotted(node.func) in ("setattr", "delattr") and node.args:
            self._update(node.args[0].value)
            self._effect("store", node.args[0].value, node)
        elif changes_settings(node):
            self._effect("call", node.func, node)

    def _effect(self, kind: Literal["store", "call"], changed: cst.CSTNode, node: cst.CSTNode) -> None:
        root = start(changed, through_calls=True)
        if not isinstance(root, cst.Name) or self._is_local(dotted(root)):
            return
        what = self.source.code(node).partition("\n")[0].rstrip()
        shortened = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 3]}..."
        self._found.effects.append(Effect(dotted(root), shortened, self._line(node), kind, chain(changed)))

    def _is_local(self, name: str) -> bool:
        return any(name in scope.texts or name in scope.shares for scope in self._scopes[1:])

    def visit_Attribute(self, node: cst.Attribute) -> None:
        name = node.attr.value
        function = self._function
        if function is not None and (name in FUNCTIONS or name in RANDOM):
            self._found.mentions.append(Mention(name, self._line(node), function))

    def visit_Name(self, node: cst.Name) -> None:
        function = self._function
        if function is not None and node.value in RANDOM:
            self._found.mentions.append(Mention(node.value, self._line(node), function))

    def visit_Subscript(self, node: cst.Subscript) -> None:
        index = node.slice[0].slice if len(node.slice) == 1 else None
        item = index.value if isinstance(index, cst.Index) else None
        if (
            isinstance(node.value, cst.Call)
            and not node.value.args
            and dotted(node.value.func) in _NAMESPACES
        ):
            self._namespace(node, item)
        elif item is not None and last_part(node.value) == "environ":
            self._hold("variable", item, self._line(node))
        elif item is not None and dotted(node.value) == "sys.modules":
            self._spelled_import(item, self._line(node))

    def _namespace(self, node: cst.Subscript, item: cst.CSTNode | None) -> None:
        name = string(item) if item is not None else None
        if name is not None and name.isidentifier():
            self._found.names |= {name}
        else:
            what = f"{self.source.code(node.value)}[...]"
            self._found.opaque.append(Opaque(what, self._line(node), function=self._function))

    def visit_Assign(self, node: cst.Assign) -> None:
        for target in node.targets:
            name = target.target
            texts = {dotted(name): texts_of(node.value, self._names)} if isinstance(name, cst.Name) else {}
            self._bind(name, node.value, texts)
            chosen = string(node.value)
            if chosen in CHOICES and last_part(name) in CHOOSERS:
                self._add(Imported(str(chosen), self._line(node), optional=True))

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._store(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.annotated = self.annotated or self._function is not None
        self._store(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self._store(node.target)

    def visit_Decorator(self, node: cst.Decorator) -> None:
        # It is called with what it decorates; `@handler.register` changes handler.
        if isinstance(node.decorator, cst.Attribute):
            self._update(node.decorator.value)

    def _store(self, target: cst.BaseExpression | cst.BaseDelTargetExpression) -> None:
        """`obj.attribute = ...` and `obj[key] = ...` change obj; `a, b.c = ...` changes b."""
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value)
        elif isinstance(target, (cst.Attribute, cst.Subscript)):
            self._update(target.value)
            self._effect("store", target, target)

    def _update(self, node: cst.CSTNode) -> None:
        self._found.updates |= self._globals(roots([node]))

    def _line(self, node: cst.CSTNode) -> int:
        return self.source.line(node)


def suppresses(node: cst.With) -> bool:
    """Tell whether code goes on after an import that fails in this block."""
    return any(is_call(item.item, "suppress") for item in node.items)


def _unknown(node: cst.Parameters) -> dict[str, tuple[Text, ...]]:
    """Return the names of parameters, of which nothing is known."""
    return {dotted(parameter.name): () for parameter in parameters(node)}
