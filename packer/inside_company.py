"""Runs in the notebook's kernel: inputs that the notebook does not have, made of its samples by other numbers."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

NUMBER = 100
"""So many are made."""

FAR = (1000, 10, -1, 0.001, 0)
"""What numbers of a sample are multiplied by, for inputs that are not like it."""

_LARGEST = sys.float_info.max / max(FAR)
"""Numbers that are larger stay as they are: what they are multiplied by would make no number of them."""


def company(samples: Sequence[Any]) -> Iterator[Any]:
    """Yield inputs that are unlike the samples, some with gaps, and then many that are like them.

    A whole number stays one, and so does whatever is no number. They are the same ones each time.
    """
    some = samples[: NUMBER // (2 * len(FAR))]
    chance = random.Random(0)
    for factor in FAR:
        yield from (with_numbers(sample, partial(_times, factor=factor)) for sample in some)
    yield from (
        with_numbers(sample, lambda number: number if chance.random() < 0.8 else None) for sample in some
    )
    for place in range(NUMBER - (len(FAR) + 1) * len(some)):
        sample = samples[place % len(samples)]
        yield with_numbers(sample, lambda number: _times(number, chance.uniform(0.5, 1.5)))


def with_numbers(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return a JSON value with what `change` makes of each of its numbers."""
    if isinstance(value, list):
        return [with_numbers(item, change) for item in value]
    if isinstance(value, dict):
        return {name: with_numbers(item, change) for name, item in value.items()}
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return change(value) if is_number and -_LARGEST < value < _LARGEST else value


def as_whole(value: Any) -> Any:
    """Return a JSON value with whole numbers in place of its fractions."""
    return with_numbers(value, round)


def as_fraction(value: Any) -> Any:
    """Return a JSON value whose whole numbers are written as fractions: 1 as 1.0."""
    return with_numbers(value, float)


def _times(number: float, factor: float) -> float:
    return round(number * factor) if isinstance(number, int) else number * factor
