"""Distributions that install the same file: which of them the one on disk comes from."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence

from nbslim.analyzer.metadata import Distribution

_Note = tuple[str, int]
"""Hash and size of a file, as RECORD has them."""


def disagree(claimants: Sequence[Distribution]) -> bool:
    """Tell whether it matters which of them was installed last: unless all their lists say otherwise, it does."""
    notes = [_notes(claimant) for claimant in claimants]
    return not all(notes) or bool(_disputed(notes))


def on_disk(claimants: Sequence[Distribution]) -> str | None:
    """Name the one that the smallest file about which their lists disagree comes from, if one does."""
    notes = [_notes(claimant) for claimant in claimants]
    for file in sorted(_disputed(notes), key=lambda file: (min(note[file][1] for note in notes), file)):
        try:
            content = (claimants[0].folder / file).read_bytes()
        except OSError:
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        for claimant, note in zip(claimants, notes):
            if note[file][0] == f"sha256={digest}":
                return claimant.name
    return None


def _disputed(notes: Sequence[Mapping[str, _Note]]) -> Iterable[str]:
    """Return the files that all of them list, with different content; metadata are each one's own."""
    shared = set(notes[0]).intersection(*notes[1:])
    return {file for file in shared if len({note[file][0] for note in notes}) > 1}


def _notes(distribution: Distribution) -> dict[str, _Note]:
    rows = csv.reader(distribution.text("RECORD").splitlines())
    return {row[0]: (row[1], int(row[2])) for row in rows if len(row) == 3 and row[1] and row[2].isdigit()}
