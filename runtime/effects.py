"""Changes that the notebook's cells made and that no object holds: loading a bundle makes them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Effect:
    """A change; whoever loads its pickle makes it, before anything that was pickled after it is loaded."""

    change: Callable[[], object]

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.change,)


def make(change: Callable[[], object]) -> None:
    """Make the change."""
    change()
