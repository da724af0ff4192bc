"""What a pack reports: sizes before and after, what was kept and why, what was verified, where time went."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nbslim.analyzer import Analysis, to_json


@dataclass(frozen=True)
class Receipt:
    """The result of a pack; `as_json` is what `--json` prints. Sizes are in bytes, times in seconds."""

    reference: str
    digest: str
    archive: str | None
    engine: str
    isolation: str | None
    level: str
    python: str
    sizes: dict[str, int]
    analysis: Analysis
    verified: dict[str, Any]
    ladder: tuple[dict[str, Any], ...]
    """The levels that were assembled and replayed, with their bytes; `problem` says why one was rolled back."""
    experiments: tuple[dict[str, Any], ...]
    """What was tried without, with the bytes that it would win; `problem` says why it was put back."""
    left_out: tuple[str, ...]
    """Distributions that serving requires by their metadata, and of which it reaches nothing."""
    accelerator: str | None
    seconds: dict[str, float]
    layers: list[dict[str, Any]]
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the receipt as plain values."""
        document = {name: value for name, value in vars(self).items() if name != "analysis"}
        analysis = to_json(self.analysis)
        return {**document, "distributions": analysis["serving"], "dropped": analysis["dropped"]}


@dataclass(frozen=True)
class Clock:
    """Seconds for each step of a pack, in order."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time that the block takes to the step `name`."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.monotonic() - start, 3)
