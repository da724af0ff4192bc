"""Cells become statements: what each binds, reads, updates and imports. The only module that sees libcst."""

from __future__ import annotations

import ast
import re
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from nbslim.analyzer.hidden import CHOICES, CHOOSERS, FUNCTIONS, OPENERS
from nbslim.analyzer.scopes import Scope, names_in
from nbslim.analyzer.statement import Body, Imported, Mention, Opaque, Statement, named_import

# Calls of these give values that hold nothing of what they were computed from.
_PLAIN_BUILTINS = frozenset(
    {"bool", "float", "int", "len", "str", "repr", "ord", "chr", "hash", "format", "range"}
)
_PLAIN_METHODS = frozenset({"tolist", "item", "as_integer_ratio", "hexdigest", "isoformat"})
_GUARDS = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})
_OPAQUE = frozenset({"eval", "exec"})
_FILE = re.compile(r"[\w./\\-]*\w\.[A-Za-z]\w{0,9}")
_NAMESPACES = frozenset({"globals", "locals", "vars"})


@dataclass(frozen=True)
class _Context:
    """Where a part of a compound statement stands."""

    conditional: bool = False
    optional: bool = False

    def maybe(self) -> _Context:
        return replace(self, conditional=True)


@lru_cache(maxsize=10_000)
def statements(source: str) -> tuple[Statement, ...]:
    """Return the module-level statements of `source` in order.

    Raises SyntaxError for what is not Python, and for what is nested too deeply to be followed.
    """
    try:
        _compile(source)
        with _room_for_recursion():
            return tuple(_Reader(cst.parse_module(source)).read_all())
    except cst.ParserSyntaxError as error:  # newer Python than libcst knows
        raise SyntaxError(error.message, ("<cell>", error.raw_line, error.raw_column, None)) from error
    except ValueError as error:  # a null byte, half of a surrogate pair
        raise SyntaxError(str(error), ("<cell>", 1, None, None)) from error
    except (RecursionError, MemoryError):
        raise SyntaxError("too deeply nested", ("<cell>", 1, None, None)) from None


def _compile(source: str) -> None:
    """Let Python look for mistakes first: its words are the clearest, and for some libcst ends the whole process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a user's odd escape sequence
        compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@contextmanager
def _room_for_recursion() -> Iterator[None]:
    """Let a sum of a thousand terms be walked: libcst needs five frames for each, and Python allows a thousand."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 10_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class _Reader:
    """Walks the statements of one cell."""

    def __init__(self, module: cst.Module) -> None:
        self.module = module
        try:
            self.positions = MetadataWrapper(module, unsafe_skip_copy=True).resolve(PositionProvider)
        except KeyError:  # what libcst makes of a RecursionError on its way out
            raise RecursionError from None

    def read_all(self) -> Iterator[Statement]:
        return self.read(self.module.body, _Context())

    def read(self, nodes: Iterable[cst.CSTNode], context: _Context) -> Iterator[Statement]:
        for node in nodes:
            if isinstance(node, cst.SimpleStatementLine):
                for small in node.body:
                    yield self._simple(small, context)
            else:
                yield from self._compound(node, context)

    def _block(self, block: cst.BaseSuite, context: _Context) -> Iterator[Statement]:
        if isinstance(block, cst.SimpleStatementSuite):
            return iter([self._simple(small, context) for small in block.body])
        return self.read(block.body, context)

    def _compound(self, node: cst.CSTNode, context: _Context) -> Iterator[Statement]:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield self._definition(node, context)
        elif isinstance(node, cst.If):
            yield from self._if(node, context)
        elif isinstance(node, (cst.For, cst.While)):
            yield from self._loop(node, context)
        elif isinstance(node, cst.With):
            items = ", ".join(
                self.code(item.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for item in node.items
            )
            yield self._header(node, f"with {items}: pass", context, *(item.item for item in node.items))
            suppresses = any(_is_call(item.item, "suppress") for item in node.items)
            inner = replace(context, conditional=True, optional=True) if suppresses else context
            yield from self._block(node.body, inner)
        elif isinstance(node, (cst.Try, cst.TryStar)):
            yield from self._try(node, context)
        else:  # match: its captures and guards belong together
            yield self._statement(node, self.code(node), context.maybe())

    def _if(self, node: cst.If, context: _Context) -> Iterator[Statement]:
        checks_types = _is(node.test, "TYPE_CHECKING")
        yield self._header(node, self.code(node.test), context, node.test)
        if not checks_types:
            yield from self._block(node.body, context.maybe())
        if isinstance(node.orelse, cst.If):
            yield from self._if(node.orelse, context.maybe())
        elif node.orelse:
            yield from self._block(node.orelse.body, context if checks_types else context.maybe())

    def _loop(self, node: cst.For | cst.While, context: _Context) -> Iterator[Statement]:
        if isinstance(node, cst.For):
            header, source = f"for {self.code(node.target)} in {self.code(node.iter)}: pass", node.iter
        else:
            header, source = self.code(node.test), node.test
        yield self._header(node, header, context, source)
        yield from self._block(node.body, context.maybe())
        if node.orelse:
            yield from self._block(node.orelse.body, context.maybe())

    def _try(self, node: cst.Try | cst.TryStar, context: _Context) -> Iterator[Statement]:
        guarded = any(_catches_import_errors(handler) for handler in node.handlers)
        yield from self._block(node.body, replace(context, optional=context.optional or guarded))
        for handler in node.handlers:
            if handler.name:
                yield self._header(handler, f"{self.code(handler.name.name)} = 0", context.maybe())
            yield from self._block(handler.body, context.maybe())
        for part in (node.orelse, node.finalbody):
            if part:
                yield from self._block(part.body, context)

    def _simple(self, node: cst.BaseSmallStatement, context: _Context) -> Statement:
        statement = self._statement(
            node, self.code(node.with_changes(semicolon=cst.MaybeSentinel.DEFAULT)), context
        )
        if isinstance(node, cst.Del):
            return replace(statement, deletes=True)
        if isinstance(node, cst.AugAssign):  # symtable says that it stores the name, and not that it reads it
            return replace(statement, uses=statement.uses | statement.binds)
        if isinstance(node, (cst.Assign, cst.AnnAssign)) and node.value is not None:
            plain = _plain(node.value)
            lambda_alone = isinstance(node.value, cst.Lambda) and not statement.uses
            text = _string(node.value) if all(map(str.isidentifier, _targets(node))) else None
            return replace(statement, plain_if_builtin=plain, defines_code=lambda_alone, text=text)
        return statement

    def _definition(self, node: cst.FunctionDef | cst.ClassDef, context: _Context) -> Statement:
        whole = self._statement(node, self.code(node), context)
        at_once = [self.code(decorator.decorator) for decorator in node.decorators]
        if isinstance(node, cst.FunctionDef):
            at_once += [self.code(part) for part in _evaluated(node)]
            return replace(whole, uses=names_in("\n".join(at_once)), defines_code=True)
        bases = [self.code(argument.value) for argument in (*node.bases, *node.keywords)]
        return replace(whole, bases=names_in("\n".join(bases)), defines_code=True)

    def _header(self, node: cst.CSTNode, code: str, context: _Context, *parts: cst.CSTNode) -> Statement:
        """Return the statement for a header alone; what its node holds besides is read elsewhere."""
        return self._statement(node, code, context, parts)

    def _statement(
        self, node: cst.CSTNode, code: str, context: _Context, parts: Iterable[cst.CSTNode] | None = None
    ) -> Statement:
        found = _Finder(self, context)
        for part in (node,) if parts is None else parts:
            part.visit(found)
        scope = Scope(self.code(node.visit(_Unannotated())) if found.annotated else code)  # type: ignore[arg-type]
        now = found.at_once.body(scope.uses)
        return Statement(
            line=self.line(node),
            binds=frozenset(scope.binds),
            uses=now.names,
            body=found.deferred.body(scope.deferred),
            updates=frozenset(found.updates | scope.global_stores),
            calls=tuple(found.calls),
            imports=now.imports,
            opaque=now.opaque,
            files=now.files,
            conditional=context.conditional,
        )

    def code(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node)

    def line(self, node: cst.CSTNode) -> int:
        return int(self.positions[node].start.line)


@dataclass
class _Found:
    imports: list[Imported] = field(default_factory=list)
    opaque: list[Opaque] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    names: frozenset[str] = frozenset()
    """Names in literal code that is handed to `eval` or `exec`."""

    def body(self, names: Iterable[str]) -> Body:
        return Body(
            self.names.union(names),
            tuple(self.imports),
            tuple(self.opaque),
            tuple(self.mentions),
            frozenset(self.files),
        )


class _Finder(cst.CSTVisitor):
    """Collects imports, updates and opaque calls below one statement, inside functions apart from at once."""

    def __init__(self, reader: _Reader, context: _Context) -> None:
        super().__init__()
        self.reader = reader
        self.at_once, self.deferred = _Found(), _Found()
        self.updates: set[str] = set()
        self.calls: list[tuple[str, frozenset[str]]] = []
        self.functions: list[int] = []
        self.optional = int(context.optional)
        self.annotated = False

    @property
    def found(self) -> _Found:
        return self.deferred if self.functions else self.at_once

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.functions.append(self._line(node))

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self.functions.pop()

    def visit_Lambda(self, node: cst.Lambda) -> None:
        self.functions.append(self._line(node))

    def leave_Lambda(self, original_node: cst.Lambda) -> None:
        self.functions.pop()

    def visit_Try(self, node: cst.Try) -> bool:
        guarded = any(_catches_import_errors(handler) for handler in node.handlers)
        self.optional += guarded
        node.body.visit(self)
        self.optional -= guarded
        for part in (*node.handlers, node.orelse, node.finalbody):
            if part:
                part.visit(self)
        return False

    def visit_If(self, node: cst.If) -> bool:
        # Only reached inside functions and match statements; module-level ones are taken apart before.
        if not _is(node.test, "TYPE_CHECKING"):
            return True
        if node.orelse:
            node.orelse.visit(self)
        return False

    def visit_Import(self, node: cst.Import) -> None:
        for alias in node.names:
            module = _dotted(alias.name)
            self._add(Imported(module, self._line(node), bound=_alias(alias) or module.partition(".")[0]))

    def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
        module, level = _dotted(node.module) if node.module else "", len(node.relative)
        if isinstance(node.names, cst.ImportStar):
            self._add(Imported(module, self._line(node), name="*", level=level))
            return
        for alias in node.names:
            name = _dotted(alias.name)
            self._add(Imported(module, self._line(node), name, _alias(alias) or name, level))

    def visit_Call(self, node: cst.Call) -> None:
        name = _dotted(node.func)
        if name in ("importlib.import_module", "import_module", "__import__"):
            self._dynamic_import(node)
        elif name in _OPAQUE:
            self.found.opaque.append(Opaque(f"{name}()", self._line(node)))
            self.found.names |= _literal_names(node)
        elif name == "get_ipython" and self.functions:
            self.found.opaque.append(Opaque("get_ipython()", self._line(node), served=False))
        self._literals(node, name)
        if self.functions:
            return
        if isinstance(node.func, cst.Attribute):
            self._update(node.func.value)
        elif isinstance(node.func, cst.Name):
            self.calls.append((name, frozenset(_roots(argument.value for argument in node.args))))

    def _literals(self, node: cst.Call, name: str) -> None:
        """Look at the strings that are handed over: names of files, of packages, of what a library is to use."""
        function = name.rpartition(".")[2]
        for position, argument in enumerate(node.args):
            text = _string(argument.value)
            if text is None:
                continue
            chosen = argument.keyword.value in CHOOSERS if argument.keyword else function == "BeautifulSoup"
            named = (function in OPENERS or name == "spacy.load") and position == 0
            if (chosen and text in CHOICES) or (named and all(map(str.isidentifier, text.split(".")))):
                self._add(Imported(text, self._line(node), optional=True))
            elif _FILE.fullmatch(text):
                self.found.files.add(text)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        if self.functions and node.attr.value in FUNCTIONS:
            self.found.mentions.append(Mention(node.attr.value, self._line(node), self.functions[-1]))

    def visit_Subscript(self, node: cst.Subscript) -> None:
        if (
            isinstance(node.value, cst.Call)
            and not node.value.args
            and _dotted(node.value.func) in _NAMESPACES
        ):
            self.found.opaque.append(Opaque(f"{self.reader.code(node.value)}[...]", self._line(node)))

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._store(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.annotated = self.annotated or bool(self.functions)
        self._store(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self._store(node.target)

    def _store(self, target: cst.BaseExpression | cst.BaseDelTargetExpression) -> None:
        """`obj.attribute = ...` and `obj[key] = ...` change obj; `a, b.c = ...` changes b."""
        if isinstance(target, (cst.Tuple, cst.List)):
            for element in target.elements:
                self._store(element.value)
        elif isinstance(target, (cst.Attribute, cst.Subscript)):
            self._update(target.value)

    def _update(self, node: cst.CSTNode) -> None:
        if not self.functions:
            self.updates.update(_roots([node]))

    def _dynamic_import(self, node: cst.Call) -> None:
        named = node.args[0].value if node.args else None
        text = _string(named) if named else None
        if text is not None:
            self._add(named_import(text, self._line(node)))
            return
        variable = _dotted(named) if isinstance(named, cst.Name) else None
        function = self.functions[-1] if self.functions else None
        computed = Opaque("a computed module name", self._line(node), variable=variable, function=function)
        self.found.opaque.append(computed)

    def _add(self, imported: Imported) -> None:
        function = self.functions[-1] if self.functions else None
        optional = imported.optional or self.optional > 0
        self.found.imports.append(replace(imported, optional=optional, function=function))

    def _line(self, node: cst.CSTNode) -> int:
        return self.reader.line(node)


class _Unannotated(cst.CSTTransformer):
    """Takes away the annotations of functions' own variables, which symtable counts and Python never evaluates."""

    def __init__(self) -> None:
        super().__init__()
        self.scopes: list[type[cst.CSTNode]] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        self.scopes.append(cst.FunctionDef)

    def visit_ClassDef(self, node: cst.ClassDef) -> None:
        self.scopes.append(cst.ClassDef)

    def leave_FunctionDef(
        self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef
    ) -> cst.FunctionDef:
        self.scopes.pop()
        return updated_node

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self.scopes.pop()
        return updated_node

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        if self.scopes[-1:] != [cst.FunctionDef]:
            return updated_node
        return updated_node.with_changes(annotation=cst.Annotation(cst.Name("None")))


def _evaluated(node: cst.FunctionDef) -> Iterator[cst.CSTNode]:
    """Yield what Python evaluates when it defines the function: defaults and annotations."""
    for parameter in _parameters(node.params):
        if parameter.default is not None:
            yield parameter.default
        if parameter.annotation is not None:
            yield parameter.annotation.annotation
    if node.returns is not None:
        yield node.returns.annotation


def _parameters(parameters: cst.Parameters) -> Iterator[cst.Param]:
    yield from (*parameters.posonly_params, *parameters.params, *parameters.kwonly_params)
    yield from (p for p in (parameters.star_arg, parameters.star_kwarg) if isinstance(p, cst.Param))


def _targets(node: cst.Assign | cst.AnnAssign) -> Iterator[str]:
    """Yield what is assigned to, as far as it is made of names."""
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    return map(_dotted, targets)


def _string(node: cst.CSTNode) -> str | None:
    value = node.evaluated_value if isinstance(node, (cst.SimpleString, cst.ConcatenatedString)) else None
    return value if isinstance(value, str) else None


def _literal_names(call: cst.Call) -> frozenset[str]:
    """Return the names in the code that `eval` or `exec` is given, where it is spelled out."""
    code = _string(call.args[0].value) if call.args else None
    try:
        return names_in(code.strip()) if code else frozenset()
    except (SyntaxError, ValueError):
        return frozenset()


def _dotted(node: cst.CSTNode) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    # Python compares identifiers in this form, and symtable reports them in it.
    return unicodedata.normalize("NFKC", node.value) if isinstance(node, cst.Name) else ""


def _alias(alias: cst.ImportAlias) -> str | None:
    return _dotted(alias.asname.name) if alias.asname else None


def _is(node: cst.CSTNode, name: str) -> bool:
    """Tell whether a node is this name, however it is reached: `name`, `module.name`."""
    return _dotted(node).rpartition(".")[2] == name


def _is_call(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Call) and _is(node.func, name)


def _roots(nodes: Iterable[cst.CSTNode]) -> Iterator[str]:
    """Yield the names that chains start from: `a` for `a.b[0].c().d`, none for `a().b`, where the result changes."""
    for node in nodes:
        root = node
        while isinstance(root, (cst.Attribute, cst.Subscript, cst.Call)):
            if isinstance(root, cst.Call) and isinstance(root.func, cst.Name):
                break
            root = root.func if isinstance(root, cst.Call) else root.value
        if isinstance(root, cst.Name):
            yield _dotted(root)


def _catches_import_errors(handler: cst.ExceptHandler | cst.ExceptStarHandler) -> bool:
    if handler.type is None:
        return True
    caught = handler.type.elements if isinstance(handler.type, cst.Tuple) else [handler]
    kinds = (element.value if isinstance(element, cst.BaseElement) else element.type for element in caught)
    return any(isinstance(kind, cst.Name) and kind.value in _GUARDS for kind in kinds)


def _plain(node: cst.BaseExpression) -> frozenset[str] | None:
    """Return the builtins on which it depends that `node` is evidently made of plain values; None if it may not be."""
    if isinstance(node, cst.Call):
        return _plain_call(node)
    parts = next((parts(node) for kinds, parts in _PARTS if isinstance(node, kinds)), None)
    return None if parts is None else _all_plain(parts)


def _entries_of(node: cst.Dict) -> list[cst.BaseExpression] | None:
    pairs = [(e.key, e.value) for e in node.elements if isinstance(e, cst.DictElement)]
    return [part for pair in pairs for part in pair] if len(pairs) == len(node.elements) else None


def _operands(node: cst.BinaryOperation) -> list[cst.BaseExpression]:
    formats = isinstance(node.operator, cst.Modulo) and isinstance(node.left, cst.BaseString)
    return [] if formats else [node.left, node.right]


# What a value of this kind holds; None where that cannot be seen.
_PARTS: tuple[tuple[Any, Callable[[Any], Iterable[cst.BaseExpression] | None]], ...] = (
    ((cst.BaseNumber, cst.BaseString), lambda _: []),
    (cst.Name, lambda node: [] if node.value in ("None", "True", "False") else None),
    ((cst.Tuple, cst.List, cst.Set), lambda node: [element.value for element in node.elements]),
    (cst.Dict, _entries_of),
    ((cst.ListComp, cst.SetComp), lambda node: [node.elt]),
    (cst.DictComp, lambda node: [node.key, node.value]),
    (cst.UnaryOperation, lambda node: [node.expression]),
    (cst.BinaryOperation, _operands),
)


def _plain_call(node: cst.Call) -> frozenset[str] | None:
    if isinstance(node.func, cst.Name) and node.func.value in _PLAIN_BUILTINS:
        return frozenset({node.func.value})
    if isinstance(node.func, cst.Name) and node.func.value == "round" and node.args:
        return _all_plain([node.args[0].value])
    if isinstance(node.func, cst.Attribute) and node.func.attr.value in _PLAIN_METHODS:
        return frozenset()
    return None


def _all_plain(nodes: Iterable[cst.BaseExpression]) -> frozenset[str] | None:
    found: set[str] = set()
    for node in nodes:
        plain = _plain(node)
        if plain is None:
            return None
        found |= plain
    return frozenset(found)
