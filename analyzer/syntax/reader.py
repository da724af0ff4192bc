"""The module-level statements of a cell, in order: what each binds, reads, updates and imports."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import cast

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider
from nbslim.analyzer.hidden import EFFECTS
from nbslim.analyzer.scopes import Scope, names_in
from nbslim.analyzer.statement import Body, Effect, Statement
from nbslim.analyzer.syntax.conditions import negated, tested
from nbslim.analyzer.syntax.finder import Finder, Surroundings, ends_block, looks_for_module, suppresses
from nbslim.analyzer.syntax.imports import imported_in
from nbslim.analyzer.syntax.nodes import (
    alias_of,
    catches_import_errors,
    constant,
    defaults,
    dotted,
    elements,
    evaluated,
    roots,
    string,
)
from nbslim.analyzer.syntax.resources import changes_settings
from nbslim.analyzer.syntax.texts import runs_through, texts_inside
from nbslim.analyzer.syntax.values import plain, shared

Aliases = tuple[tuple[str, str], ...]
"""Names of the notebook's own for functions that are known by theirs: `load` for `import_module`."""

_NEWLINE = re.compile(r"\r\n?|\n")
_SUBCLASSES = ("__init_subclass__", "__subclasses__")


@lru_cache(maxsize=10_000)
def statements(source: str, aliases: Aliases = ()) -> tuple[Statement, ...]:
    """Return the module-level statements of `source` in order; those of a loop come twice.

    Raises SyntaxError for what is not Python, and for what is nested too deeply to be followed.
    """
    try:
        _compile(source)
        with _room_for_recursion(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a user's odd escape sequence
            return tuple(_Reader(source, dict(aliases)).read_all())
    except cst.ParserSyntaxError as error:  # newer Python than libcst knows
        raise SyntaxError(error.message, ("<cell>", error.raw_line, error.raw_column, None)) from error
    except ValueError as error:  # a null byte, half of a surrogate pair
        raise SyntaxError(str(error), ("<cell>", 1, None, None)) from error
    except (RecursionError, MemoryError):
        raise SyntaxError("too deeply nested", ("<cell>", 1, None, None)) from None


def _compile(source: str) -> None:
    """Let Python look for mistakes first: its words are the clearest, and for some libcst ends the whole process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compile(source, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except SyntaxError as error:
            if "__future__" not in (error.msg or ""):
                raise  # Jupyter compiles statement by statement, and lets this one come late
            ast.parse(source, "<cell>")


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

    def __init__(self, source: str, aliases: Mapping[str, str]) -> None:
        self.module, self.aliases = cst.parse_module(source), aliases
        self.lines = _NEWLINE.split(source)
        try:
            # `MetadataWrapper.resolve` walks the tree a second time, for providers of which there are none here.
            wrapper = MetadataWrapper(self.module, unsafe_skip_copy=True)
            found = PositionProvider()._gen(wrapper)  # noqa: SLF001
            self.positions = cast(Mapping[cst.CSTNode, CodeRange], found)
        except KeyError:  # what libcst makes of a RecursionError on its way out
            raise RecursionError from None

    def read_all(self) -> Iterator[Statement]:
        """Yield the statements, with the changes of settings that each could make again."""
        ended = False
        for node in self.module.body:
            if ended:
                return
            ended = ends_block(node)
            found = list(self.read([node], Surroundings(aliases=self.aliases)))
            if node is self.module.body[-1] and _is_shown(node):
                shown = found[-1]
                found[-1] = replace(shown, binds=shown.binds | {"_"}, updates=shown.updates | {"Out"})
            if isinstance(node, cst.SimpleStatementLine) or not any(statement.effects for statement in found):
                yield from found
            else:
                yield from self._repeatable(node, found)

    def read(self, nodes: Iterable[cst.CSTNode], around: Surroundings) -> Iterator[Statement]:
        for node in nodes:
            if isinstance(node, cst.SimpleStatementLine):
                for small in node.body:
                    yield self._simple(small, around)
            else:
                yield from self._compound(node, around)
            if ends_block(node):
                return

    def _repeatable(self, node: cst.CSTNode, found: list[Statement]) -> Iterator[Statement]:
        """Let a compound statement be made again as a whole, where it does nothing but change settings."""
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield from found
            return
        harmless = all(s.effects or s.imports or not (s.calls or s.updates) for s in found)
        replay = self.code(node).strip() if harmless else None
        uses = frozenset().union(*(statement.uses for statement in found))
        for statement in found:
            names = uses if harmless else frozenset()
            effects = (replace(e, replay=replay, names=e.names | names) for e in statement.effects)
            yield replace(statement, effects=tuple(effects))

    def _block(self, block: cst.BaseSuite, around: Surroundings) -> Iterator[Statement]:
        if isinstance(block, cst.SimpleStatementSuite):
            return iter([self._simple(small, around) for small in block.body])
        return self.read(block.body, around)

    def _compound(self, node: cst.CSTNode, around: Surroundings) -> Iterator[Statement]:
        if isinstance(node, (cst.FunctionDef, cst.ClassDef)):
            yield self._definition(node, around)
        elif isinstance(node, cst.If):
            yield from self._if(node, around)
        elif isinstance(node, (cst.For, cst.While)):
            yield from self._loop(node, around)
        elif isinstance(node, cst.With):
            yield self._with(node, around)
            yield from self._block(node.body, self._inside(node, around))
        elif isinstance(node, (cst.Try, cst.TryStar)):
            yield from self._try(node, around)
        else:  # match: its captures and guards belong together
            yield self._statement(node, self.code(node), around.maybe())

    def _inside(self, node: cst.With, around: Surroundings) -> Surroundings:
        named = frozenset(roots(_callee(item.item) for item in node.items))
        within = replace(around, within=around.within | named)
        return replace(within, conditional=True, optional=True) if suppresses(node, self.aliases) else within

    def _with(self, node: cst.With, around: Surroundings) -> Statement:
        items = ", ".join(
            self.code(item.with_changes(comma=cst.MaybeSentinel.DEFAULT)) for item in node.items
        )
        header = self._header(node, f"with {items}: pass", around, *node.items)
        return replace(header, shares=_all_shared(item.item for item in node.items))

    def _if(self, node: cst.If, around: Surroundings) -> Iterator[Statement]:
        yield self._header(node, self.code(node.test), around, node.test)
        holds, conditions = tested(node.test)
        guarded = looks_for_module(node.test)
        if holds is not False:
            inside = around if holds else around.under(conditions)
            yield from self._block(node.body, replace(inside, optional=inside.optional or guarded))
        if node.orelse is None or holds is True:
            return
        otherwise = around if holds is False else around.under(negated((holds, conditions))[1])
        if isinstance(node.orelse, cst.If):
            yield from self._if(node.orelse, otherwise)
        else:
            yield from self._block(node.orelse.body, otherwise)

    def _loop(self, node: cst.For | cst.While, around: Surroundings) -> Iterator[Statement]:
        inner = replace(around.maybe(), repeated=True)
        if isinstance(node, cst.For):
            yield self._for(node, around if elements(node.iter) else around.maybe())
            inner = replace(inner, texts={**around.texts, **runs_through(node.target, node.iter)})
        else:
            yield self._header(node, self.code(node.test), around, node.test)
        body = list(self._block(node.body, inner))
        yield from body if around.repeated else body * 2
        if node.orelse:
            yield from self._block(node.orelse.body, around.maybe())

    def _for(self, node: cst.For, around: Surroundings) -> Statement:
        code = f"for {self.code(node.target)} in {self.code(node.iter)}: pass"
        header = self._header(node, code, around, node.iter, target=node.target)
        return replace(header, shares=_all_shared([node.iter]))

    def _try(self, node: cst.Try | cst.TryStar, around: Surroundings) -> Iterator[Statement]:
        guarded = any(catches_import_errors(handler) for handler in node.handlers)
        tried = replace(around, optional=around.optional or guarded)
        for number, statement in enumerate(self._block(node.body, tried)):
            # What comes before it may fail, and the notebook goes on.
            yield replace(statement, conditional=True) if number and node.handlers else statement
        instead_of = imported_in(node.body) if guarded else ()
        handled = replace(around.maybe(), instead_of=around.instead_of + instead_of)
        for handler in node.handlers:
            if handler.name:
                yield self._header(handler, f"{self.code(handler.name.name)} = 0", handled)
            yield from self._block(handler.body, handled)
        if node.orelse:
            yield from self._block(node.orelse.body, tried.maybe())
        if node.finalbody:
            yield from self._block(node.finalbody.body, around)

    def _simple(self, node: cst.BaseSmallStatement, around: Surroundings) -> Statement:
        code = self.code(node).rstrip("; \t")
        statement = self._statement(node, code, around)
        effects = [replace(effect, replay=code) for effect in statement.effects]
        if effects or statement.imports:
            effects += self._side_effects(statement, code)
            statement = replace(statement, effects=tuple(effects))
        if isinstance(node, cst.Del):
            return replace(statement, deletes=True)
        if isinstance(node, cst.AugAssign):  # symtable says that it stores the name, and not that it reads it
            return replace(statement, uses=statement.uses | statement.binds, augments=True)
        if isinstance(node, (cst.Assign, cst.AnnAssign)) and node.value is not None:
            return _assigned(statement, node, node.value)
        if isinstance(node, cst.Expr) and isinstance(node.value, cst.Call):
            return replace(statement, call=code)
        return statement

    def _side_effects(self, statement: Statement, code: str) -> Iterator[Effect]:
        """Yield what an import changes in another library, merely by being imported."""
        for imported in statement.imports:
            if imported.module in EFFECTS and imported.bound:
                yield Effect(imported.bound, code, imported.line, "import", imported.module, replay=code)

    def _definition(self, node: cst.FunctionDef | cst.ClassDef, around: Surroundings) -> Statement:
        code = self.code(node)
        whole, name = self._statement(node, code, around), dotted(node.name)
        decorators = [decorator.decorator for decorator in node.decorators]
        handed = tuple((root, frozenset({name})) for root in roots(_callee(d) for d in decorators))
        whole = replace(
            whole,
            defines_code=True,
            calls=whole.calls + handed,
            effects=tuple(self._registering(name, decorators, effect) for effect in whole.effects),
        )
        at_once = [self.code(decorator) for decorator in decorators]
        if isinstance(node, cst.FunctionDef):
            whole = replace(
                whole, body=_repeatable_body(node, whole.body), shares=_all_shared(defaults(node.params))
            )
            at_once += [self.code(part) for part in evaluated(node)]
            return replace(whole, uses=names_in("\n".join(at_once)))
        # What its body imports belongs to the class, whatever name it gets there.
        inside = tuple(replace(i, bound=None) if i.function is None else i for i in whole.imports)
        bases = [self.code(argument.value) for argument in (*node.bases, *node.keywords)]
        made_by = tuple((root, frozenset({name})) for root in roots(k.value for k in node.keywords))
        return replace(
            whole,
            imports=inside,
            bases=names_in("\n".join(bases)),
            calls=whole.calls + made_by,
            keeps_subclasses=any(word in code for word in _SUBCLASSES),
        )

    def _registering(self, name: str, decorators: list[cst.BaseExpression], effect: Effect) -> Effect:
        """Return the effect of a decorator that registers what it decorates: made again by calling it."""
        codes = [self.code(decorator) for decorator in decorators]
        calls = [f"{code}({name})" for code in codes if effect.what in code]
        return replace(effect, names=effect.names | {name}, replay=calls[0] if calls else None)

    def _header(
        self,
        node: cst.CSTNode,
        code: str,
        around: Surroundings,
        *parts: cst.CSTNode,
        target: cst.BaseAssignTargetExpression | None = None,
    ) -> Statement:
        """Return the statement for a header alone; what its node holds besides is read elsewhere."""
        found = Finder(self, around)
        for part in parts:
            found.walk(part)
        if target is not None:
            found.store(target)
        return self._made(node, code, around, found)

    def _statement(self, node: cst.CSTNode, code: str, around: Surroundings) -> Statement:
        found = Finder(self, around)
        found.walk(node)
        return self._made(node, code, around, found)

    def _made(self, node: cst.CSTNode, code: str, around: Surroundings, found: Finder) -> Statement:
        scope = Scope(self.code(node.visit(_Unannotated())) if found.annotated else code)  # type: ignore[arg-type]
        now, later = found.at_once.body(scope.uses), found.deferred.body(scope.deferred)
        return Statement(
            line=self.line(node),
            binds=frozenset(scope.binds | found.binds),
            uses=now.names,
            body=replace(
                later,
                updates=(later.updates & later.names) - scope.global_stores,
                stores=frozenset(scope.global_stores),
            ),
            updates=now.updates,
            altered=now.altered,
            may_bind=frozenset(found.may_bind),
            calls=now.calls,
            kept=now.kept,
            imports=now.imports,
            opaque=now.opaque,
            mentions=now.mentions,
            resources=now.resources,
            effects=now.effects,
            files=now.files,
            conditional=around.conditional,
            conditions=around.conditions,
            instead_of=around.instead_of,
            within=around.within,
        )

    def code(self, node: cst.CSTNode) -> str:
        """Return the code of a node; cut out of the cell where that is possible, as it takes a tenth of the time."""
        place = self.positions.get(node)
        if place is not None and place.start.line == place.end.line:
            return self.lines[place.start.line - 1][place.start.column : place.end.column]
        return self.module.code_for_node(node)

    def line(self, node: cst.CSTNode) -> int:
        return int(self.positions[node].start.line)


def _assigned(statement: Statement, node: cst.Assign | cst.AnnAssign, value: cst.BaseExpression) -> Statement:
    """Return the statement with what the spelling of the assigned value says of it."""
    targets = [target.target for target in node.targets] if isinstance(node, cst.Assign) else [node.target]
    alone = all(isinstance(target, cst.Name) for target in targets)
    return replace(
        statement,
        plain_if_builtin=None if statement.may_bind else plain(value),
        defines_code=isinstance(value, cst.Lambda) and not statement.uses,
        constant=constant(value) if alone else (),
        texts=texts_inside(value) if alone else (),
        shares=_all_shared([value]),
        into=frozenset(roots(target for target in targets if not isinstance(target, cst.Name))),
        alias_of=alias_of(value) if alone else None,
    )


def _repeatable_body(node: cst.FunctionDef, body: Body) -> Body:
    """Let a call make the effects of a function again if it does nothing else."""
    settings = all(isinstance(line, cst.SimpleStatementLine) and _only_sets(line) for line in node.body.body)
    effects = (replace(effect, replay=effect.what if settings else None) for effect in body.effects)
    return replace(body, effects=tuple(effects))


def _only_sets(line: cst.SimpleStatementLine) -> bool:
    """Tell whether a line holds nothing but changes of settings, imports and texts."""
    return all(
        isinstance(small, (cst.Import, cst.ImportFrom, cst.Pass, cst.Global))
        or (isinstance(small, cst.Assign) and not any(isinstance(t.target, cst.Name) for t in small.targets))
        or (isinstance(small, cst.Expr) and (string(small.value) is not None or _sets(small.value)))
        for small in line.body
    )


def _sets(node: cst.BaseExpression) -> bool:
    return isinstance(node, cst.Call) and (
        changes_settings(node, discarded=True) or dotted(node.func) in ("setattr", "delattr")
    )


def _is_shown(node: cst.CSTNode) -> bool:
    """Tell whether Jupyter shows the value of a cell's last statement, and keeps it as `_` and in `Out`."""
    last = node.body[-1] if isinstance(node, cst.SimpleStatementLine) else None
    return isinstance(last, cst.Expr) and not isinstance(last.semicolon, cst.Semicolon)


def _all_shared(nodes: Iterable[cst.CSTNode]) -> frozenset[str]:
    return frozenset(name for node in nodes for name in shared(node))


def _callee(decorator: cst.BaseExpression) -> cst.BaseExpression:
    """Return what is called to make a decorator, or is one: only plain names count as the notebook's functions."""
    return decorator.func if isinstance(decorator, cst.Call) else decorator


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
