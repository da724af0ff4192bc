"""What a walk over a statement collects, until it is frozen in a `Body`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nbslim.analyzer.statement import Body, Effect, Imported, Mention, Opaque, Resource


@dataclass
class Found:
    """What was found so far, either at once or inside functions; the fields mean what those of `Body` mean."""

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
