"""Choose the samples that people and clients are shown: small ones, in the notebook's order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbslim.runtime.encode import encode

SMALL = 1_000
"""A sample of more characters of JSON is shown only where there are too few others."""

LARGEST = 20_000
"""A sample of more characters of JSON is not shown at all."""

Record = Mapping[str, Any]


def examples(records: Sequence[Record], most: int) -> list[tuple[int, Record]]:
    """Return at most `most` of the lines of `samples.jsonl`, each with its number from 1."""
    numbered = [(len(encode(record["input"])), number, record) for number, record in enumerate(records, 1)]
    shown = [one for one in numbered if one[0] <= LARGEST]
    small_first = sorted(shown, key=lambda one: one[0] > SMALL)
    return sorted(((number, record) for _, number, record in small_first[:most]), key=lambda one: one[0])
