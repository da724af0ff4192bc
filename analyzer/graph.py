"""The def-use graph of a notebook: one node for each binding or update of a name, in cell order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from nbslim.analyzer.sharing import Sharing
from nbslim.analyzer.statement import Condition, Effect, Statement
from nbslim.analyzer.types import Place


@dataclass(frozen=True, eq=False)
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

    @property
    def alternative(self) -> bool:
        """Whether it may be that `previous` stands, not this binding, and that they differ."""
        if self.update or self.previous is None or not self.maybe:
            return False
        return not self.imported or self.imported != self.previous.imported

    @property
    def imported(self) -> frozenset[tuple[str, str | None]]:
        """What the statement imports under the node's name, as module and name."""
        return frozenset((i.module, i.name) for i in self.statement.imports if i.bound == self.name)


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


@dataclass(frozen=True)
class _Done:
    """What calling a function of the notebook does besides returning a value."""

    updates: frozenset[str] = frozenset()
    effects: tuple[tuple[Effect, Node], ...] = ()
    """Changes of what is imported, each with the function that makes it."""


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
        maybe = statement.conditional or None in met
        if any(imported.name == "*" for imported in statement.imports):
            self.stars.append((place, statement))
        reads = statement.uses | statement.bases | statement.files
        read = {name: self.last[name] for name in reads if name in self.last}
        called = [self.last[name] for name, _ in statement.calls if name in self.last]
        done = [self._doing(node) for node in called if node.statement.defines_code]
        for name in sorted(self._updated(statement, done)):
            self._update(Node(name, place, statement, self.last.get(name), read, update=True))
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

    def _bind(self, place: Place, statement: Statement, read: Mapping[str, Node], *, maybe: bool) -> None:
        tried = {i.bound for i in statement.imports if i.optional}
        for name in sorted(statement.binds):
            unsure = maybe or name in tried
            previous = self.last.get(name) if unsure else None
            node = Node(name, place, statement, previous, read, maybe=unsure)
            self.last[name] = node
            for shared in statement.shares if statement.plain_if_builtin is None else ():
                if shared in read and not _is_module(read[shared]):
                    self.sharing.join(node, read[shared])

    def _update(self, node: Node) -> None:
        if node.previous is not None:
            self.sharing.follow(node.previous, node)
        self.last[node.name] = node

    def _forget(self, statement: Statement, *, maybe: bool) -> None:
        for name in () if maybe else statement.binds:
            self.last.pop(name, None)

    def _updated(self, statement: Statement, done: Iterable[_Done]) -> set[str]:
        """Return the names whose objects the statement may change.

        Calling a method may change its object; being handed to a function of the notebook may, too; being handed to
        any other function is taken as harmless, or every plot would seem to change what it draws. Modules do not
        change.
        """
        names = set(statement.updates | statement.files).union(*(one.updates for one in done))
        for function, arguments in statement.calls:
            if function in self.last and self.last[function].statement.defines_code:
                names |= arguments
        names |= {base for base in statement.bases if self._keeps_subclasses(base)}
        return {
            name
            for name in names - statement.binds
            if name not in self.last or not _is_module(self.last[name])
        }

    def _keeps_subclasses(self, base: str) -> bool:
        return base in self.last and self.last[base].statement.keeps_subclasses

    def _doing(self, function: Node) -> _Done:
        """Return what a call of `function` does, the functions that it calls in turn included."""
        if function in self._done:
            return self._done[function]
        waiting, seen, updates, effects = [function], {function}, set[str](), list[tuple[Effect, Node]]()
        while waiting:
            node = waiting.pop()
            known = self._done.get(node)
            body = node.statement.body
            updates |= known.updates if known else body.updates
            effects += known.effects if known else ((effect, node) for effect in body.effects)
            for name in () if known else (name for name, _ in body.calls):
                other = self.last.get(name)
                if other is not None and other.statement.defines_code and other not in seen:
                    seen.add(other)
                    waiting.append(other)
        found = _Done(frozenset(updates), tuple(effects))
        # Where there is nothing to find, there is nothing behind any function on the way either.
        self._done.update(dict.fromkeys(seen if found == _Done() else [function], found))
        return found

    def _change(
        self, place: Place, statement: Statement, read: Mapping[str, Node], done: Iterable[_Done]
    ) -> None:
        made: list[tuple[Effect, Node | None]] = [(effect, None) for effect in statement.effects]
        made += [
            (_made_by_call(effect, place, statement), node) for one in done for effect, node in one.effects
        ]
        for effect, function in made:
            if changed := self._changed(effect, function):
                node = Node(
                    effect.root, Place(place.cell, effect.line), statement, function, read, update=True
                )
                self.changes.append(Change(node, effect, changed))

    def _changed(self, effect: Effect, function: Node | None) -> str | None:
        """Return the whole name of what an effect changes; None where its root is not imported."""
        if effect.kind == "import":
            return effect.chain
        _, _, rest = effect.chain.partition(".")
        local = (i for i in (function.statement.body.imports if function else ()) if i.bound == effect.root)
        imported = next(((i.module, i.name) for i in local), None) or self._imported(effect.root)
        return ".".join(filter(None, [*imported, rest])) if imported else None

    def _imported(self, name: str) -> tuple[str, str | None] | None:
        """Return what a name imports, be it by another name for a part of what is imported."""
        node = self.last.get(name)
        while node is not None and not node.imported:
            of = node.statement.alias_of
            node = node.uses.get(of) if of and not node.update else None
        return next(iter(sorted(node.imported, key=str)), None) if node else None


def _made_by_call(effect: Effect, place: Place, statement: Statement) -> Effect:
    """Return the effect of a function as that of the statement that calls it."""
    return Effect(
        effect.root,
        effect.what,
        place.line,
        effect.kind,
        effect.chain,
        statement.call if effect.replay else None,
    )


def _is_module(node: Node) -> bool:
    return bool(node.imported)
