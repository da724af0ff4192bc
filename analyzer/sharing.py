"""Which nodes may stand for the same objects, and what changes these: a union of sets, in nearly linear time."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Sharing(Generic[T]):
    """Disjoint sets of nodes, each set with the updates of the objects that its nodes may share."""

    def __init__(self) -> None:
        self._parents: dict[T, T] = {}
        self._updates: dict[T, list[T]] = {}
        self._joined: set[T] = set()

    def join(self, one: T, other: T) -> None:
        """Let two nodes share what they stand for."""
        first, second = self._find(one), self._find(other)
        if len(self._updates.get(first, ())) < len(self._updates.get(second, ())):
            first, second = second, first
        if first != second:
            self._updates.setdefault(first, []).extend(self._updates.pop(second, ()))
            self._parents[second] = first
        self._joined.add(first)

    def follow(self, before: T, update: T) -> None:
        """Let `update` change what `before` stands for."""
        root = self._find(before)
        self._parents[update] = root
        self._updates.setdefault(root, []).append(update)

    def group(self, node: T) -> T | None:
        """Return what stands for all nodes that share objects with `node`; None if it shares nothing."""
        root = self._find(node)
        return root if root in self._joined else None

    def updates(self, group: T) -> Sequence[T]:
        """Return what changes the objects of a group."""
        return self._updates.get(group, ())

    def _find(self, node: T) -> T:
        root = node
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while (parent := self._parents.get(node, node)) != root:
            self._parents[node] = root
            node = parent
        return root
