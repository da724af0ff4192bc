"""What functions of the notebook do when they are called, besides returning a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nbslim.analyzer.graph import Node
from nbslim.analyzer.statement import Effect, Statement


@dataclass
class Done:
    """What one call does, or several together."""

    updates: set[str] = field(default_factory=set)
    """Global names whose objects they may change."""
    altered: set[str] = field(default_factory=set)
    """Those that they surely change."""
    stores: set[str] = field(default_factory=set)
    """Names that they bind by `global`."""
    effects: list[tuple[Effect, Node]] = field(default_factory=list)
    """Changes of what is imported, each with the function that makes it."""

    def add(self, function: Node) -> None:
        """Add what the body of `function` does itself."""
        body = function.statement.body
        self.updates |= body.updates
        self.altered |= body.altered
        self.stores |= body.stores
        self.effects += [(effect, function) for effect in body.effects]

    def join(self, other: Done) -> None:
        """Add what another call does."""
        self.updates |= other.updates
        self.altered |= other.altered
        self.stores |= other.stores
        self.effects += other.effects


class Calls:
    """Follows calls from name to name; `last` is what each name stands for at the moment."""

    def __init__(self, last: Mapping[str, Node]) -> None:
        self._last = last
        self._done: dict[Node, Done] = {}

    def done(self, statement: Statement) -> Done:
        """Return what the functions of the notebook do that a statement calls, be it as methods of their values."""
        whole = Done()
        for name in dict.fromkeys((*(name for name, _ in statement.calls), *sorted(statement.updates))):
            for function in self.code_behind(name):
                whole.join(self._doing(function))
        return whole

    def code_behind(self, name: str) -> list[Node]:
        """Return the functions and classes of the notebook that a name is, or that made or are held by its value."""
        node = self._last.get(name)
        if node is None or node.is_code:
            return [node] if node else []
        made_by = [node.uses.get(callee) for callee, _ in node.statement.calls]
        # A loop's variable, and the functions in the list that it runs through.
        for shared in node.statement.shares:
            held = node.uses.get(shared)
            made_by += [held, *held.uses.values()] if held is not None and not held.is_code else [held]
        return [function for function in made_by if function is not None and function.is_code]

    def _doing(self, function: Node) -> Done:
        """Return what a call of `function` does, the functions that it calls in turn included."""
        if function in self._done:
            return self._done[function]
        done, waiting, seen = Done(), [function], {function}
        while waiting:
            node = waiting.pop()
            if node in self._done:
                done.join(self._done[node])
                continue
            done.add(node)
            called = [self._last[name] for name, _ in node.statement.body.calls if name in self._last]
            new = [other for other in called if other.is_code and other not in seen]
            seen.update(new)
            waiting += new
        # Where there is nothing to find, there is nothing behind any function on the way either.
        self._done.update(dict.fromkeys(seen if done == Done() else [function], done))
        return done
