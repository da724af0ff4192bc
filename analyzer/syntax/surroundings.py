"""What the blocks around a statement say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from nbslim.analyzer.statement import Condition
from nbslim.analyzer.syntax.texts import Names


@dataclass(frozen=True)
class Surroundings:
    """The blocks around a statement, down from the top of its cell."""

    conditional: bool = False
    """Whether it may not run, for a reason that `conditions` does not tell."""
    optional: bool = False
    """Whether the code goes on where an import in it fails."""
    conditions: tuple[Condition, ...] = ()
    """The values of names on which it depends."""
    instead_of: tuple[str, ...] = ()
    """Modules whose import is tried first; it runs where one of them is missing."""
    within: frozenset[str] = frozenset()
    """Names in the headers of `with` blocks around it."""
    texts: Names = field(default_factory=dict)
    """What the variables of loops around it run through."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Names of the notebook's own for functions that are known by theirs; see `Aliases`."""
    repeated: bool = False
    """Whether a loop around it is read twice, so that what it binds late is seen by what it does early."""

    def maybe(self) -> Surroundings:
        """Return those of a part that may not run."""
        return replace(self, conditional=True)

    def under(self, conditions: tuple[Condition, ...]) -> Surroundings:
        """Return those of a part that runs under conditions, or, without any, under unknown ones."""
        return replace(self, conditions=self.conditions + conditions) if conditions else self.maybe()
