"""What a pack reports: sizes before and after, what was kept and why, what was verified, where time went."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any


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
    distributions: list[dict[str, Any]]
    """What is kept, and why."""
    dropped: list[dict[str, Any]]
    verified: dict[str, Any]
    batch: dict[str, Any]
    """How batches are scored: `form` is `derived`, `defined` or `looped`, and then `reason` says why."""
    ladder: tuple[dict[str, Any], ...]
    """The levels that were assembled and replayed, with their bytes; `problem` says why one was rolled back."""
    experiments: tuple[dict[str, Any], ...]
    """What was tried without, with the bytes that it would win; `problem` says why it was put back."""
    left_out: tuple[str, ...]
    """Distributions that serving requires by their metadata, and of which it reaches nothing."""
    accelerator: str | None
    seconds: dict[str, float]
    layers: list[dict[str, Any]]
    cached: dict[str, bool]
    """Which parts of the pack were remembered, and not done again."""
    warnings: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the receipt as plain values."""
        return dict(vars(self))

    def again(self, archive: Path | None) -> Receipt:
        """Return the receipt of the same pack, answered from memory, with its image in `archive`."""
        cached = dict.fromkeys(self.cached, True)
        return replace(self, cached=cached, archive=str(archive) if archive else None)


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
