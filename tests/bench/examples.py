"""The examples, each packed once for all that is measured of its image."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from support import Packed, pack_case


@dataclass(frozen=True)
class Examples:
    """Archives and bundles of what was packed so far."""

    folder: Path
    _done: dict[Path, Packed] = field(default_factory=dict)

    def packed(self, case: Path) -> Packed:
        """Return the case packed without a container engine."""
        if case not in self._done:
            folder = self.folder / case.name
            folder.mkdir()
            self._done[case] = pack_case(case, "oci", folder)
        return self._done[case]


@contextlib.contextmanager
def examples() -> Iterator[Examples]:
    """Yield the examples, none of them packed yet."""
    with tempfile.TemporaryDirectory() as folder:
        yield Examples(Path(folder))
