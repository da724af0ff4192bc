"""The def-use graph of a notebook: one node for each binding or update of a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from nbslim.analyzer.sharing import Sharing
from nbslim.analyzer.statement import Effect, Statement
from nbslim.analyzer.types import Place


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """A name, or the name of a file, from one statement on: bound by it, or updated."""

    name: str
    place: Place
    statement: Statement
    previous: Node | None
    """What the name stood for before, where that may still matter: before an update, or if this may not happen."""
    uses: Mapping[str, Node]
    """The nodes that the statement read, by their names."""
    update: bool = False
    """Whether the statement changes the object and does not bind the name."""
    maybe: bool = False
    """Whether the binding may not happen."""
    alternative: bool = False
    """Whether it may be that `previous` stands, not this binding, and that they differ."""

    @cached_property
    def binding(self) -> Node:
        """The node that bound the name, for one that updates it."""
        node = self
        while node.update and node.previous is not None:
            # What is known already need not be walked again.
            node = node.__dict__.get("binding", node.previous)
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
