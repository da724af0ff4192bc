"""How the walk came to what it found: steps back to the entry points, and all shortest chains that they make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from nbslim.analyzer.graph import Node
from nbslim.analyzer.types import Certainty, Chain, Link, Place

MOST_CHAINS = 16
"""Of equally short chains; diamonds one after the other would make more than anybody reads."""


@dataclass(eq=False)
class Step:
    """A node as the walk came to it; `before` holds all steps from which it came with as few links."""

    node: Node
    certainty: Certainty
    depth: int
    """The number of links in the chain to it."""
    before: list[Step] = field(default_factory=list)
    head: Chain = ()
    """What led to the first step of a walk that did not begin at an entry point."""

    def chains(self) -> Iterator[Chain]:
        """Yield every chain of links from an entry point to this step."""
        waiting: list[tuple[Step, Chain]] = [(self, ())]
        while waiting:
            step, tail = waiting.pop()
            chain = (Link(step.node.name, step.node.place), *tail)
            if not step.before:
                yield (*step.head, *chain)
            waiting += [(before, chain) for before in reversed(step.before)]


@dataclass
class Evidence:
    """Why one thing is needed: the surest and shortest ways to it."""

    certainty: Certainty
    length: int
    ways: list[tuple[Step, Chain]]
    """Steps, and the links from there."""

    @classmethod
    def of(cls, step: Step, certainty: Certainty, *links: Link) -> Evidence:
        """Return the evidence that one step is."""
        return cls(certainty, step.depth + len(links), [(step, links)])

    @property
    def rank(self) -> tuple[bool, int]:
        """Sorts before weaker evidence: certain first, then short."""
        return self.certainty != "certain", self.length

    def copy(self) -> Evidence:
        """Return evidence of its own, for another thing to which the same ways lead."""
        return Evidence(self.certainty, self.length, list(self.ways))

    def join(self, other: Evidence) -> None:
        """Keep the surer of two, of two as sure the shorter, and both where they are as short."""
        if other.rank < self.rank:
            self.certainty, self.length, self.ways = other.certainty, other.length, list(other.ways)
        elif other.rank == self.rank:
            self.ways += other.ways

    def chains(self) -> tuple[Chain, ...]:
        """Return the chains, each once, in the order in which they were found."""
        found = (
            ((*chain, *links)) for step, links in self.ways for chain in islice(step.chains(), MOST_CHAINS)
        )
        return tuple(islice(dict.fromkeys(found), MOST_CHAINS))


def link(step: Step, name: str, line: int) -> tuple[Link, ...]:
    """Return the link to `name` in a line of a step's cell; none if the step itself stands there."""
    place = Place(step.node.place.cell, line)
    return () if step.node.place == place else (Link(name, place),)
