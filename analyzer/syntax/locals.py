"""Local names while a statement is walked: in which function, what they stand for, whose objects they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import libcst as cst
from nbslim.analyzer.constants import Text
from nbslim.analyzer.syntax.nodes import dotted, elements, parameters
from nbslim.analyzer.syntax.texts import runs_through
from nbslim.analyzer.syntax.values import shared


@dataclass
class _Scope:
    """The names of a function or of a comprehension; `function` is the function's line."""

    function: int | None
    texts: dict[str, tuple[Text, ...]] = field(default_factory=dict)
    shares: dict[str, frozenset[str]] = field(default_factory=dict)


class Locals:
    """The scopes inside which the walk is, innermost last."""

    def __init__(self, texts: Mapping[str, tuple[Text, ...]]) -> None:
        self._outermost = dict(texts)
        self._scopes: list[_Scope] = []

    def enter_function(self, line: int, node: cst.Parameters) -> None:
        """Begin a function's scope; of its parameters nothing is known."""
        self._scopes.append(_Scope(line, {dotted(parameter.name): () for parameter in parameters(node)}))

    def enter_comprehension(self, node: cst.BaseComp) -> None:
        """Begin the scope of a comprehension, with the variables that run through its iterables."""
        self._scopes.append(_Scope(None))
        part: cst.CompFor | None = node.for_in
        while part:
            self.bind(part.target, part.iter, runs_through(part.target, part.iter))
            part = part.inner_for_in

    def leave(self) -> None:
        """End the innermost scope."""
        self._scopes.pop()

    @property
    def function(self) -> int | None:
        """Line of the innermost function around, None outside of functions."""
        return next((scope.function for scope in reversed(self._scopes) if scope.function is not None), None)

    @property
    def texts(self) -> Mapping[str, tuple[Text, ...]]:
        """What local names stand for, as far as they stand for texts."""
        known = dict(self._outermost)
        for scope in self._scopes:
            known.update(scope.texts)
        return known

    def bind(self, target: cst.CSTNode, value: cst.CSTNode, texts: Mapping[str, tuple[Text, ...]]) -> None:
        """Remember what a local name stands for; outside of all scopes that is the graph's to know."""
        if not self._scopes:
            return
        scope = self._scopes[-1]
        for name, found in texts.items():
            scope.texts[name] = () if name in scope.texts else found
        for name in _bound(target):
            scope.shares[name] = scope.shares.get(name, frozenset()) | self.shared_by(shared(value))

    def shared_by(self, names: Iterable[str]) -> frozenset[str]:
        """Return `names` with those in place of local ones whose objects these share."""
        found: set[str] = set()
        for name in names:
            inner = next((s.shares[name] for s in reversed(self._scopes) if name in s.shares), None)
            found |= {name} if inner is None else inner
        return frozenset(found)

    def has(self, name: str) -> bool:
        """Tell whether a name is known to be local."""
        return any(name in scope.texts or name in scope.shares for scope in self._scopes)


def _bound(target: cst.CSTNode) -> Iterator[str]:
    """Yield the names that an assignment to `target` binds."""
    if isinstance(target, cst.Name):
        yield dotted(target)
    for element in elements(target) or ():
        yield from _bound(element)
