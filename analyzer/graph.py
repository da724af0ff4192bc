"""The def-use graph of a notebook: one node for each binding or update of a name, in cell order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from nbslim.analyzer.held import files_named, named
from nbslim.analyzer.sharing import Sharing
from nbslim.analyzer.statement import Condition, Effect, Statement
from nbslim.analyzer.types import Place


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """A name, or the name of a file, from one statement on: bound by it, or updated.

    `previous` is what the name stood for before, where that may still matter: the same object before an update, or
    the other value where this binding may not happen (`maybe`). `uses` are the nodes that the statement read.
    """

    name: str
    place: Place
    statement: Statement
    previous: Node | None
    uses: Mapping[str, Node]
    update: bool = False
    maybe: bool = False
    alternative: bool = False
    """Whether it may be that `previous` stands, not this binding, and that they differ."""

    @cached_property
    def binding(self) -> Node:
        """The node that bound the name, for one that updates it."""
        node = self
        while node.update and node.previous is not None:
            node = node.__dict__.get(
                "binding", node.previous
            )  # what is known already need not be walked again
        return node

    @cached_property
    def imported(self) -> frozenset[tuple[str, str | None]]:
        """What the statement that bound the name imports under it, as module and name."""
        return frozenset((i.module, i.name) for i in self.binding.statement.imports if i.bound == self.name)

    @property
    def unbound(self) -> bool:
        """Whether no cell binds the name, and cells only change what Jupyter keeps under it."""
        return self.binding.update

    @property
    def is_code(self) -> bool:
        """Whether it is a function or a class of the notebook."""
        return self.binding.statement.defines_code


@dataclass(frozen=True, eq=False)
class Change:
    """A statement that changes what is no value of the notebook's: `node` stands for it, and binds nothing."""

    node: Node
    effect: Effect
    changed: str
    """What is changed, by its whole name: `numpy.random.seed`."""


@dataclass(frozen=True)
class Graph:
    """All nodes that can be reached: `final` maps each name to its node after the last cell."""

    final: Mapping[str, Node]
    stars: tuple[tuple[Place, Statement], ...]
    """Statements with a star import, which may bind any name."""
    changes: tuple[Change, ...]
    sharing: Sharing[Node]
    """The updates that objects undergo under other names."""


def build_graph(statements: Iterable[tuple[int, Statement]]) -> Graph:
    """Return the graph of `statements`, given with the numbers of their cells in the order in which they run."""
    builder = _Builder()
    for cell, statement in statements:
        builder.add(cell, statement)
    return Graph(builder.last, tuple(builder.stars), tuple(builder.changes), builder.sharing)


@dataclass
class _Done:
    """What calling functions of the notebook does besides returning a value."""

    updates: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)
    stores: set[str] = field(default_factory=set)
    effects: list[tuple[Effect, Node]] = field(default_factory=list)
    """Changes of what is imported, each with the function that makes it."""

    def add(self, function: Node) -> None:
        """Add what the body of `function` does itself."""
        body = function.statement.body
        self.updates |= body.updates
        self.altered |= body.altered
        self.stores |= body.stores
        self.effects += [(effect, function) for effect in body.effects]

    def join(self, other: _Done) -> None:
        """Add what another call does."""
        self.updates |= other.updates
        self.altered |= other.altered
        self.stores |= other.stores
        self.effects += other.effects


@dataclass
class _Builder:
    last: dict[str, Node] = field(default_factory=dict)
    stars: list[tuple[Place, Statement]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    sharing: Sharing[Node] = field(default_factory=Sharing)
    _done: dict[Node, _Done] = field(default_factory=dict)

    def add(self, cell: int, statement: Statement) -> None:
        """Let a statement happen after all those before it."""
        met = [self._met(condition) for condition in statement.conditions]
        if False in met:
            return
        place = Place(cell, statement.line)
        maybe = statement.conditional or None in met or any(map(self._code_behind, statement.within))
        if any(imported.name == "*" for imported in statement.imports):
            self.stars.append((place, statement))
        statement = replace(statement, files=statement.files | self._files(statement))
        reads = statement.uses | statement.bases | statement.files
        read = {name: self.last[name] for name in reads if name in self.last}
        done = self._calls(statement)
        for name in sorted(self._updated(statement, done)):
            self._update(Node(name, place, statement, self.last.get(name), read, update=True))
        for name in sorted(done.stores):
            previous = self.last.get(name)
            known = previous is not None
            self.last[name] = Node(name, place, statement, previous, read, maybe=True, alternative=known)
        self._change(place, statement, read, done)
        if statement.deletes:
            self._forget(statement, maybe=maybe)
        else:
            self._bind(place, statement, read, maybe=maybe)

    def _met(self, condition: Condition) -> bool | None:
        """Tell whether a condition is met by a name that holds one literal value."""
        node = self.last.get(condition.name)
        if node is None or node.update or node.maybe or not node.statement.constant:
            return None
        return condition.met(node.statement.constant[0])

    def _files(self, statement: Statement) -> set[str]:
        """Return the files that a statement names by variables, or that something which it uses names."""
        found: set[str] = set()
        for name in statement.uses:
            node = self.last.get(name)
            if node is not None and not node.is_code and not node.update:
                found |= node.statement.files if node.statement.shares or not node.imported else set()
                found |= files_named([node.statement.text])
        texts = [text for r in statement.resources if r.kind in ("file", "path") for text in r.texts]
        return found | files_named(named(texts, self.last))

    def _bind(self, place: Place, statement: Statement, read: Mapping[str, Node], *, maybe: bool) -> None:
        tried = {i.bound for i in statement.imports if i.optional} | statement.may_bind
        for name in sorted(statement.binds):
            if statement.augments and name in self.last:
                continue  # updated already
            unsure = maybe or name in tried
            previous = self.last.get(name) if unsure else None
            node = Node(name, place, statement, previous, read, maybe=unsure)
            if previous is not None:
                same = bool(node.imported) and node.imported == previous.imported
                node = replace(node, alternative=not same or previous.alternative)
            self.last[name] = node
            self._share(node, statement, read)
            self._share_made(node, statement, read)
        for container, held in statement.kept:
            for name in held & read.keys() if container in self.last else ():
                if not read[name].imported:
                    self.sharing.join(self.last[container], read[name])
        for name in statement.into & self.last.keys():
            self._share(self.last[name], statement, read)

    def _share_made(self, node: Node, statement: Statement, read: Mapping[str, Node]) -> None:
        """Let what notebook code makes share the objects that it is given, and its class."""
        if statement.defines_code or statement.plain_if_builtin is not None:
            return
        for function, arguments in statement.calls:
            if self._code_behind(function):
                for name in (arguments | {function}) & read.keys():
                    if not read[name].imported:
                        self.sharing.join(node, read[name])

    def _share(self, node: Node, statement: Statement, read: Mapping[str, Node]) -> None:
        for shared in statement.shares if statement.plain_if_builtin is None else ():
            if shared in read and not read[shared].imported:
                self.sharing.join(node, read[shared])

    def _update(self, node: Node) -> None:
        if node.previous is not None:
            self.sharing.follow(node.previous, node)
        self.last[node.name] = node

    def _forget(self, statement: Statement, *, maybe: bool) -> None:
        for name in () if maybe else statement.binds:
            self.last.pop(name, None)

    def _updated(self, statement: Statement, done: _Done) -> set[str]:
        """Return the names whose objects the statement may change.

        Calling a method may change its object; being handed to a function of the notebook may, too; being handed to
        any other function is taken as harmless, or every plot would seem to change what it draws. Modules do not
        change; other imported things do where something is stored in them.
        """
        names = set(statement.updates | statement.files) | done.updates
        for function, arguments in statement.calls:
            node = self.last.get(function)
            behind = self._code_behind(function)
            names |= {name for name in arguments if not self._is_fixed(name)} if behind else set()
            if (
                node is not None
                and not node.is_code
                and not node.imported
                and (behind or node.statement.shares)
            ):
                names.add(function)  # an object that is called, or a method that is kept under a name
        names |= {base for base in statement.bases if self._keeps_subclasses(base)}
        if not statement.augments:
            names -= statement.binds
        return {name for name in names if self._may_change(name, statement.altered | done.altered)}

    def _may_change(self, name: str, altered: Collection[str]) -> bool:
        if name not in self.last:
            return name == "Out" or bool(files_named([name]))
        imported = self.last[name].imported
        return not imported or (name in altered and all(part for _, part in imported))

    def _is_fixed(self, name: str) -> bool:
        """Tell whether a name stands for what no function can change: a number, a text, a function."""
        node = self.last.get(name)
        return node is not None and not node.update and (node.is_code or bool(node.statement.constant))

    def _keeps_subclasses(self, base: str) -> bool:
        return base in self.last and self.last[base].statement.keeps_subclasses

    def _calls(self, statement: Statement) -> _Done:
        """Return what the functions of the notebook do that a statement calls, be it as methods of their values."""
        done = _Done()
        for name in dict.fromkeys((*(name for name, _ in statement.calls), *sorted(statement.updates))):
            for function in self._code_behind(name):
                done.join(self._doing(function))
        return done

    def _code_behind(self, name: str) -> list[Node]:
        node = self.last.get(name)
        if node is None or node.is_code:
            return [node] if node else []
        made_by = [node.uses.get(callee) for callee, _ in node.statement.calls]
        for (
            shared
        ) in node.statement.shares:  # a loop's variable, and the functions in the list that it runs through
            held = node.uses.get(shared)
            made_by += [held, *held.uses.values()] if held is not None and not held.is_code else [held]
        return [function for function in made_by if function is not None and function.is_code]

    def _doing(self, function: Node) -> _Done:
        """Return what a call of `function` does, the functions that it calls in turn included."""
        if function in self._done:
            return self._done[function]
        done, waiting, seen = _Done(), [function], {function}
        while waiting:
            node = waiting.pop()
            if node in self._done:
                done.join(self._done[node])
                continue
            done.add(node)
            called = [self.last[name] for name, _ in node.statement.body.calls if name in self.last]
            new = [other for other in called if other.is_code and other not in seen]
            seen.update(new)
            waiting += new
        # Where there is nothing to find, there is nothing behind any function on the way either.
        self._done.update(dict.fromkeys(seen if done == _Done() else [function], done))
        return done

    def _change(self, place: Place, statement: Statement, read: Mapping[str, Node], done: _Done) -> None:
        made: list[tuple[Effect, Node | None]] = [(effect, None) for effect in statement.effects]
        made += [(_made_by_call(effect, place, statement), node) for effect, node in done.effects]
        for effect, function in made:
            if changed := self._changed(effect, function):
                node = Node(effect.root, Place(place.cell, effect.line), statement, None, read, update=True)
                self.changes.append(Change(node, effect, changed))

    def _changed(self, effect: Effect, function: Node | None) -> str | None:
        """Return the whole name of what an effect changes; None where its root is not imported."""
        if effect.kind == "import":
            return effect.chain
        _, _, rest = effect.chain.partition(".")
        if effect.module:
            return f"{effect.module}.{rest}"
        local = (i for i in (function.statement.body.imports if function else ()) if i.bound == effect.root)
        inside = next(((i.module, i.name or "") for i in local), None)
        imported = inside or self._imported(effect.root)
        return ".".join(filter(None, [*imported, rest])) if imported else None

    def _imported(self, name: str) -> tuple[str, ...]:
        """Return what a name imports, part by part, be it by another name for a part of what is imported."""
        node, parts = self.last.get(name), ""
        while node is not None and not node.imported:
            if node.update:
                node = node.previous
                continue
            of, _, part = (node.statement.alias_of or "").partition(".")
            parts = ".".join(filter(None, [part, parts]))
            node = node.uses.get(of)
        if node is None:
            return ()
        module, imported = min(node.imported, key=str)
        return tuple(filter(None, [module, imported, parts]))


def _made_by_call(effect: Effect, place: Place, statement: Statement) -> Effect:
    """Return the effect of a function as that of the statement that calls it."""
    return replace(effect, line=place.line, replay=statement.call if effect.replay else None)
