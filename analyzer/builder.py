"""The def-use graph is built in cell order, one statement after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from nbslim.analyzer.calls import Calls, Done
from nbslim.analyzer.constants import files_named
from nbslim.analyzer.effects import changes_made
from nbslim.analyzer.graph import Change, Graph, Node
from nbslim.analyzer.held import named
from nbslim.analyzer.sharing import Sharing
from nbslim.analyzer.statement import Condition, Statement
from nbslim.analyzer.types import Place


def build_graph(statements: Iterable[tuple[int, Statement]]) -> Graph:
    """Return the graph of `statements`, given with the numbers of their cells in the order in which they run."""
    builder = _Builder()
    for cell, statement in statements:
        builder.add(cell, statement)
    return Graph(builder.last, tuple(builder.stars), tuple(builder.changes), builder.sharing)


@dataclass
class _Builder:
    """The graph so far; `last` maps each name to what it stands for after the last statement that was added."""

    last: dict[str, Node] = field(default_factory=dict)
    stars: list[tuple[Place, Statement]] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    sharing: Sharing[Node] = field(default_factory=Sharing)

    def __post_init__(self) -> None:
        self._calls = Calls(self.last)

    def add(self, cell: int, statement: Statement) -> None:
        """Let a statement happen after all those before it."""
        met = [self._met(condition) for condition in statement.conditions]
        if False in met:
            return
        place = Place(cell, statement.line)
        maybe = statement.conditional or None in met or any(map(self._calls.code_behind, statement.within))
        if any(imported.name == "*" for imported in statement.imports):
            self.stars.append((place, statement))
        statement = replace(statement, files=statement.files | self._files(statement))
        reads = statement.uses | statement.bases | statement.files
        read = {name: self.last[name] for name in reads if name in self.last}
        done = self._calls.done(statement)
        for name in sorted(self._updated(statement, done)):
            self._update(Node(name, place, statement, self.last.get(name), read, update=True))
        for name in sorted(done.stores):
            previous = self.last.get(name)
            known = previous is not None
            self.last[name] = Node(name, place, statement, previous, read, maybe=True, alternative=known)
        self.changes += changes_made(place, statement, read, done, self.last)
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
            if self._calls.code_behind(function):
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

    def _updated(self, statement: Statement, done: Done) -> set[str]:
        """Return the names whose objects the statement may change.

        Calling a method may change its object; being handed to a function of the notebook may, too; being handed to
        any other function is taken as harmless, or every plot would seem to change what it draws. Modules do not
        change; other imported things do where something is stored in them.
        """
        names = set(statement.updates | statement.files) | done.updates
        for function, arguments in statement.calls:
            node = self.last.get(function)
            behind = self._calls.code_behind(function)
            names |= {name for name in arguments if not self._is_fixed(name)} if behind else set()
            if node is None or node.is_code or node.imported:
                continue
            if behind or node.statement.shares:
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
