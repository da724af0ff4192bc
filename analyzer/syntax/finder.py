"""What stands below a statement: imports, changes, calls, texts that name things, at once and inside functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import libcst as cst
from nbslim.analyzer.constants import Text, spelled
from nbslim.analyzer.held import files_named
from nbslim.analyzer.hidden import ATTRIBUTES, CHOICES, CHOOSERS, CHOOSING, FUNCTIONS, RANDOM
from nbslim.analyzer.scopes import Scope, names_in
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
from nbslim.analyzer.syntax.locals import Locals
from nbslim.analyzer.syntax.nodes import (
    catches_import_errors,
    chain,
    constant,
    defaults,
    dotted,
    elements,
    evaluated,
    imported_on_the_spot,
    last_part,
    roots,
    start,
    string,
)
from nbslim.analyzer.syntax.resources import (
    ALTERS,
    alters,
    changes_first,
    changes_settings,
    opens_package,
    resource_of,
)
from nbslim.analyzer.syntax.texts import Names, runs_through, texts_of
from nbslim.analyzer.syntax.values import shared
from nbslim.analyzer.syntax.visiting import Visitor

IMPORTERS = frozenset({"__import__", "import_module"})
"""Functions that import what their first argument names."""

NAMERS = frozenset({"find_spec", "locate", "resolve_name", "run_module"})
"""Functions that import what their first argument names, if they are what their name says."""

_OPAQUE = frozenset({"eval", "exec"})
_MODULE = re.compile(r"\.*[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[\w.]+)?")
_ARROW = re.compile(r"\[(pyarrow)\]")
"""pandas' types that another library holds."""
PYTHON_CELLS = frozenset({"capture", "prun", "time", "timeit"})
"""Cell magics whose body is Python of the notebook."""
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
    within: frozenset[str] = frozenset()
    """Names in the headers of `with` blocks around it."""
    texts: Names = field(default_factory=dict)
    """What the variables of loops around it run through."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of the notebook's own for functions that are known by theirs; see `aliases`."""
    repeated: bool = False
    """Whether a loop around it is read twice, so that what it binds late is seen by what it does early."""

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
    altered: set[str] = field(default_factory=set)
    calls: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    kept: list[tuple[str, frozenset[str]]] = field(default_factory=list)
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
            altered=frozenset(self.altered),
            calls=tuple(self.calls),
            kept=tuple(self.kept),
        )


class Finder(Visitor):
    """Collects what one statement does, inside functions apart from at once."""

    def __init__(self, source: Source, around: Surroundings) -> None:
        self.source = source
        self.at_once, self.deferred = _Found(), _Found()
        self.binds: set[str] = set()
        """Names that literal code binds, or that are bound through a namespace."""
        self.may_bind: set[str] = set()
        """Names that are bound in parts of expressions that may not be evaluated."""
        self.annotated = False
        self._locals = Locals(around.texts)
        self._aliases = around.aliases
        self._optional = int(around.optional)
        self._instead_of: tuple[str, ...] = around.instead_of
        self._conditions: tuple[Condition, ...] = ()
        self._callees: set[cst.CSTNode] = set()
        """What is called, to tell it from what is only named."""
        self._whole: cst.CSTNode | None = None
        """The assignment, or the expression whose value nobody takes, inside which the walk is."""
        self._pinned: int | None = None
        """The line of the text whose code is read."""

    @property
    def _function(self) -> int | None:
        return self._locals.function

    @property
    def _found(self) -> _Found:
        return self.at_once if self._function is None else self.deferred

    # Functions, comprehensions and what they bind

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        for part in (*node.decorators, *evaluated(node)):
            self.walk(part)
        # Its code begins with its first decorator, and is known by that line.
        first = node.decorators[0].decorator if node.decorators else node
        self._locals.enter_function(self._line(first), node.params)
        self.walk(node.body)
        self._locals.leave()
        return False

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        for default in defaults(node.params):
            self.walk(default)
        self._locals.enter_function(self._line(node), node.params)
        self.walk(node.body)
        self._locals.leave()
        return False

    def visit_ListComp(self, node: cst.ListComp) -> None:
        self._locals.enter_comprehension(node)

    def leave_ListComp(self, _node: cst.ListComp) -> None:
        self._locals.leave()

    def visit_SetComp(self, node: cst.SetComp) -> None:
        self._locals.enter_comprehension(node)

    def leave_SetComp(self, _node: cst.SetComp) -> None:
        self._locals.leave()

    def visit_DictComp(self, node: cst.DictComp) -> None:
        self._locals.enter_comprehension(node)

    def leave_DictComp(self, _node: cst.DictComp) -> None:
        self._locals.leave()

    def visit_GeneratorExp(self, node: cst.GeneratorExp) -> None:
        self._locals.enter_comprehension(node)

    def leave_GeneratorExp(self, _node: cst.GeneratorExp) -> None:
        self._locals.leave()

    def visit_For(self, node: cst.For) -> None:
        self._locals.bind(node.target, node.iter, runs_through(node.target, node.iter))
        self.store(node.target)

    def visit_CompFor(self, node: cst.CompFor) -> None:
        self.store(node.target)

    def visit_AsName(self, node: cst.AsName) -> None:
        if isinstance(node.name, (cst.Attribute, cst.Subscript, cst.Tuple, cst.List)):
            self.store(node.name)

    def visit_NamedExpr(self, node: cst.NamedExpr) -> None:
        if self._function is None and isinstance(node.target, cst.Name):
            self.may_bind.add(dotted(node.target))

    # Parts that may not run

    def visit_Try(self, node: cst.Try) -> bool:
        guarded = any(catches_import_errors(handler) for handler in node.handlers)
        before = self._instead_of
        with self._optionally(guarded):
            self.walk(node.body)
            if node.orelse:
                self.walk(node.orelse)
        self._instead_of = imported_in(node.body) if guarded else before
        for handler in node.handlers:
            self.walk(handler)
        self._instead_of = before
        if node.finalbody:
            self.walk(node.finalbody)
        return False

    @contextmanager
    def _optionally(self, guarded: bool) -> Iterator[None]:  # noqa: FBT001 -- says of what follows what it is
        self._optional += guarded
        yield
        self._optional -= guarded

    def visit_With(self, node: cst.With) -> bool:
        for item in node.items:
            self.walk(item)
        with self._optionally(suppresses(node, self._aliases)):
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
        before, (holds, conditions) = self._conditions, tested(node.test)
        if holds is not False:
            self._conditions = before + conditions
            with self._optionally(looks_for_module(node.test)):
                self.walk(node.body)
        if node.orelse and holds is not True:
            self._conditions = before + negated((holds, conditions))[1]
            self.walk(node.orelse)
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

    def _dynamic_import(
        self, named: cst.CSTNode | None, line: int, more: Sequence[cst.BaseExpression] = ()
    ) -> None:
        texts = texts_of(named, self._locals.texts) if named else ()
        package = string(more[0]) if more else None
        open_ones = tuple(_inside(package, text) for text in texts if spelled(text) is None)
        if named is not None:
            self._spelled_import(named, line, optional=False, package=package)
        if open_ones or not texts:
            what = "a computed module name"
            self._found.opaque.append(Opaque(what, line, texts=open_ones, function=self._function))

    def _spelled_import(
        self, named: cst.CSTNode, line: int, *, optional: bool = True, package: str | None = None
    ) -> None:
        for text in texts_of(named, self._locals.texts):
            name = spelled(text)
            if name is not None and _MODULE.fullmatch(name):
                whole = "".join(map(str, _inside(package, (name,))))
                self._add(replace(named_import(whole.replace(":", "."), line), optional=optional))

    # Calls

    def visit_Call(self, node: cst.Call) -> None:
        self._callees.add(node.func)
        name = dotted(node.func)
        name = self._aliases.get(name, name)
        line = self._line(node)
        self._named_import(node, name, line)
        self._code(node, name, line)
        self._resource(node, line)
        self._literals(node, name)
        self._setting(node)
        self._call(node, name)

    def _named_import(self, node: cst.Call, name: str, line: int) -> None:
        function = name.rpartition(".")[2]
        arguments = [argument.value for argument in node.args]
        if function in IMPORTERS:
            self._dynamic_import(arguments[0] if arguments else None, line, arguments[1:])
        elif function in NAMERS and arguments:
            self._spelled_import(arguments[0], line)
        elif function == "spec_from_file_location" and len(arguments) > 1:
            self._file_import(arguments[1], line)
        elif name == "map" and len(arguments) == 2 and self._alias(arguments[0]) in IMPORTERS:
            for item in elements(arguments[1]) or ():
                self._dynamic_import(item, line)

    def _alias(self, node: cst.CSTNode) -> str:
        return self._aliases.get(dotted(node), last_part(node))

    def _file_import(self, named: cst.CSTNode, line: int) -> None:
        """Note a module that is loaded from a file beside the notebook."""
        for text in texts_of(named, self._locals.texts):
            path = spelled(text)
            if path and path.endswith(".py"):
                self._add(Imported(path[:-3].replace("/", "."), line))

    def _code(self, node: cst.Call, name: str, line: int) -> None:
        """Look at code in a text that is executed."""
        values = [argument.value for argument in node.args]
        if name in _OPAQUE:
            self._opaque(f"{name}()", line, binds=name == "exec" and self._function is None)
            self._literal_code(values[0] if values else None, line)
        elif (
            chain(node.func) in ("globals.update", "locals.update", "vars.update") and self._function is None
        ):
            self._bind_all(node)
        elif name == "get_ipython" and self._function is not None and not self._imports_it(name):
            self._opaque("get_ipython()", line, served=False)
        elif chain(node.func).endswith(".run_cell_magic") and len(values) > 2:
            self._literal_code(values[2] if string(values[0]) in PYTHON_CELLS else None, line)

    def _imports_it(self, name: str) -> bool:
        return any(imported.bound == name for imported in self.deferred.imports)

    def _opaque(self, what: str, line: int, *, served: bool = True, binds: bool = False) -> None:
        self._found.opaque.append(Opaque(what, line, served, function=self._function, binds=binds))

    def _call(self, node: cst.Call, name: str) -> None:
        """Note what may change because of the call: its object, what is handed over, what functions do."""
        values = [argument.value for argument in node.args]
        if isinstance(node.func, cst.Attribute):
            self._update(node.func.value)
        if values and changes_first(node):
            self._update(values[0])
        handed = self._locals.shared_by(roots(values))
        root = start(node.func, through_calls=True)
        if isinstance(root, cst.Name):
            self._found.calls.append((name if root is node.func else dotted(root), handed))
        for value in values:
            if isinstance(value, cst.Attribute) and value.attr.value in ALTERS:
                self._update(value.value)
        # What is handed over may be called, with what else is handed over.
        self._found.calls += [(dotted(value), handed) for value in values if isinstance(value, cst.Name)]

    def _literal_code(self, node: cst.CSTNode | None, line: int) -> None:
        """Read code in a text as if it stood here; what it imports belongs to whatever is made of it."""
        code = string(node) if node is not None else None
        try:
            scope = Scope(code.strip()) if code else None
            module = cst.parse_module(code.strip()) if code else None
        except (SyntaxError, ValueError, cst.ParserSyntaxError):
            return
        if scope is None or module is None:
            return
        before, pinned = len(self._found.imports), self._pinned
        self._pinned = line
        self.walk(module)
        self._pinned = pinned
        self._found.imports[before:] = [replace(one, bound=None) for one in self._found.imports[before:]]
        read = (scope.uses | scope.deferred) - scope.binds
        self._found.names |= {name for name in read if not self._locals.has(name)}
        if self._function is None:
            self.binds |= scope.binds

    def _resource(self, node: cst.Call, line: int) -> None:
        if (found := resource_of(node)) is not None:
            kind, named, callee = found
            self._hold(kind, named, line, callee)

    def _hold(self, kind: ResourceKind, named: cst.CSTNode, line: int, callee: str | None = None) -> None:
        texts = texts_of(named, self._locals.texts)
        self._found.resources.append(Resource(kind, texts, line, self._function, callee))

    def _literals(self, node: cst.Call, name: str) -> None:
        """Look at the texts that are handed over: names of files, of packages, of what a library is to use."""
        function = name.rpartition(".")[2]
        for position, argument in enumerate(node.args):
            keyword = argument.keyword.value if argument.keyword else None
            if keyword in FUNCTIONS and self._function is not None and constant(argument.value) == (True,):
                self._mention(str(keyword), node)
            chooses = keyword in CHOOSERS if keyword else function in CHOOSING
            text = string(argument.value)
            if text is not None:
                self._literal(
                    text, self._line(node), chooses=chooses, names=position == 0 and opens_package(node)
                )
            elif chooses:
                self._hold("choice", argument.value, self._line(node))
            elif isinstance(argument.value, (cst.FormattedString, cst.BinaryOperation, cst.Call)):
                self._hold("path", argument.value, self._line(node))
        if function == "getattr" and len(node.args) > 1:
            name = string(node.args[1].value) or ""
            if name in FUNCTIONS and self._function is not None:
                self._mention(name, node)

    def _literal(self, text: str, line: int, *, chooses: bool, names: bool) -> None:
        if chooses and text in CHOICES:
            self._add(Imported(CHOICES[text], line, optional=True))
        elif names and all(map(str.isidentifier, text.split("."))):
            self._add(Imported(text, line, optional=True))
        elif arrow := _ARROW.search(text):
            self._add(Imported(arrow[1], line, optional=True))
        elif files_named([text]):
            self._found.files.add(text)

    def _mention(self, name: str, node: cst.CSTNode) -> None:
        owner = start(node, through_calls=False) if isinstance(node, cst.Attribute) else None
        root = dotted(owner) if isinstance(owner, cst.Name) else None
        called = node in self._callees
        self._found.mentions.append(Mention(name, self._line(node), self._function, root, called))

    # Changes

    def _setting(self, node: cst.Call) -> None:
        """Note a call that changes a library's settings, if what it starts from is imported."""
        if dotted(node.func) in ("setattr", "delattr") and node.args:
            self._update(node.args[0].value)
            self._effect("store", node.args[0].value, node)
        elif changes_settings(node, discarded=self._whole is node):
            self._effect("call", node.func, node)
        if alters(node):
            changed = self._locals.shared_by(roots([node.func]))
            self._found.altered |= changed
            handed = self._locals.shared_by(roots(argument.value for argument in node.args))
            self._found.kept += [(name, handed) for name in changed if handed]

    def _effect(self, kind: Literal["store", "call"], changed: cst.CSTNode, node: cst.CSTNode) -> None:
        root = start(changed, through_calls=True)
        if not isinstance(root, cst.Name) or self._locals.has(dotted(root)):
            return
        what = self.source.code(node).partition("\n")[0].rstrip()
        shortened = what if len(what) <= _SHOWN else f"{what[: _SHOWN - 3]}..."
        whole = self._whole if kind == "store" and self._whole is not None else node
        names = _names_in(self.source.code(whole))
        effect = Effect(dotted(root), shortened, self._line(node), kind, chain(changed), names)
        self._found.effects.append(replace(effect, module=imported_on_the_spot(changed)))

    def visit_Attribute(self, node: cst.Attribute) -> None:
        name = node.attr.value
        if name in FUNCTIONS or (self._function is not None and (name in RANDOM or name in ATTRIBUTES)):
            self._mention(name, node)

    def visit_Name(self, node: cst.Name) -> None:
        if self._function is not None and (node.value in RANDOM or node.value in FUNCTIONS):
            self._mention(node.value, node)

    def visit_Subscript(self, node: cst.Subscript) -> None:
        index = node.slice[0].slice if len(node.slice) == 1 else None
        item = index.value if isinstance(index, cst.Index) else None
        if _is_namespace(node.value):
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
            self._opaque(f"{self.source.code(node.value)}[...]", self._line(node))

    def leave_Decorator(self, _node: cst.Decorator) -> None:
        self._whole = None

    def visit_Expr(self, node: cst.Expr) -> None:
        self._whole = node.value
        if isinstance(node.value, cst.BinaryOperation):
            # `registry << function`: what an operator of the notebook's does is what it is written for.
            self._update(_leftmost(node.value))

    def leave_Expr(self, _node: cst.Expr) -> None:
        self._whole = None

    def leave_Assign(self, _node: cst.Assign) -> None:
        self._whole = None

    def visit_Assign(self, node: cst.Assign) -> None:
        self._whole = node
        for target in node.targets:
            name = target.target
            texts = (
                {dotted(name): texts_of(node.value, self._locals.texts)} if isinstance(name, cst.Name) else {}
            )
            self._locals.bind(name, node.value, texts)
            chosen = string(node.value)
            if chosen in CHOICES and last_part(name) in CHOOSERS:
                self._add(Imported(CHOICES[chosen], self._line(node), optional=True))

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self.store(node.target)
        if isinstance(node.target, cst.Name):
            self._update(node.target)
            self._found.altered |= self._locals.shared_by([dotted(node.target)])

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.annotated = self.annotated or self._function is not None
        self.store(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self.store(node.target)

    def visit_Decorator(self, node: cst.Decorator) -> None:
        self._whole = node.decorator
        # It is called with what it decorates; `@handler.register` changes handler.
        if isinstance(node.decorator, cst.Attribute):
            self._update(node.decorator.value)

    def store(self, target: cst.BaseExpression | cst.BaseDelTargetExpression) -> None:
        """`obj.attribute = ...` and `obj[key] = ...` change obj; `a, b.c = ...` changes b."""
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self.store(element.value)
        elif isinstance(target, (cst.Attribute, cst.Subscript)):
            self._update(target.value)
            self._found.altered |= self._locals.shared_by(roots([target]))
            self._effect("store", target, target)
            if isinstance(target, cst.Subscript) and _is_namespace(target.value) and self._function is None:
                self._bind_in_namespace(target)

    def _bind_in_namespace(self, target: cst.Subscript) -> None:
        index = target.slice[0].slice
        texts = texts_of(index.value, self._locals.texts) if isinstance(index, cst.Index) else ()
        names = {spelled(text) for text in texts}
        if names and None not in names:
            self.binds |= {name for name in names if name is not None}
        else:
            self._opaque("globals()[...]", self._line(target), binds=True)

    def _bind_all(self, node: cst.Call) -> None:
        """Bind what is put into the namespace by keywords or by literal tables."""
        tables = [a.value for a in node.args if not a.keyword and not a.star]
        keys = [getattr(e, "key", None) for table in tables for e in getattr(table, "elements", ())]
        names = [string(key) if key is not None else None for key in keys]
        self.binds |= {argument.keyword.value for argument in node.args if argument.keyword}
        self.binds |= {name for name in names if name is not None}
        if None in names or not all(isinstance(table, cst.Dict) for table in tables):
            self._opaque("globals().update()", self._line(node), binds=True)

    def _update(self, node: cst.CSTNode) -> None:
        self._found.updates |= self._locals.shared_by(shared(start(node, through_calls=False)))

    def _line(self, node: cst.CSTNode) -> int:
        return self.source.line(node) if self._pinned is None else self._pinned


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


def _inside(package: str | None, text: Text) -> Text:
    """Return a relative name as one inside `package`, where that is known."""
    relative = bool(text) and isinstance(text[0], str) and text[0].startswith(".")
    return (package, *text) if package and relative else text


def _is_namespace(node: cst.CSTNode) -> bool:
    """Tell whether a call gives all names: `vars()`, not `vars(thing)`."""
    return isinstance(node, cst.Call) and not node.args and dotted(node.func) in _NAMESPACES


def _leftmost(node: cst.BaseExpression) -> cst.BaseExpression:
    while isinstance(node, cst.BinaryOperation):
        node = node.left
    return node


def _names_in(code: str) -> frozenset[str]:
    try:
        return names_in(code)
    except SyntaxError:  # the target of a loop or a `with`
        return frozenset()
