"""What the notebook's samples show: what inputs and answers are like, and a few of them for people and clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbslim.runtime.encode import encode
from nbslim.runtime.schema import infer

Record = Mapping[str, Any]
"""A line of `samples.jsonl`."""

SMALL = 1_000
"""A sample of more characters of JSON is shown only where there are too few others."""

LOOKED_AT = 20
"""So many samples are considered: to measure thousands of large ones would take long."""

LARGEST = 20_000
"""A sample of more characters of JSON is not shown at all."""


def answered(records: Sequence[Record]) -> list[Record]:
    """Return those that have an answer; the others were refused, or the notebook's functions raised."""
    return [record for record in records if "answer" in record]


def input_schema(records: Sequence[Record]) -> dict[str, Any]:
    """Return the schema of the inputs that have an answer; without any, the one that everything fits."""
    return infer([record["input"] for record in answered(records)])


def answer_schema(records: Sequence[Record]) -> dict[str, Any]:
    """Return the schema of the answers."""
    return infer([record["answer"] for record in answered(records)])


def examples(records: Sequence[Record], most: int) -> list[tuple[int, Record]]:
    """Return at most `most` of them, each with its number from 1, in their order; small ones are preferred."""
    numbered = [
        (len(encode(record["input"])), number, record) for number, record in enumerate(records[:LOOKED_AT], 1)
    ]
    shown = sorted((one for one in numbered if one[0] <= LARGEST), key=lambda one: one[0] > SMALL)
    return sorted(((number, record) for _, number, record in shown[:most]), key=lambda one: one[0])
