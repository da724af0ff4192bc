"""Whether a service answers one of its own samples as it should."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from nbslim.runtime.samples import answered
from nbslim.runtime.scoring import Outcome, expected

TOLERANCE = 1e-5
"""Relative: another processor rounds otherwise, and that is no reason to serve nothing."""


def trial(samples: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the record of the sample to try: the first with an answer, if there is any at all."""
    return next(iter(answered(samples) or samples), None)


def is_right(record: Mapping[str, Any], outcome: Outcome) -> bool:
    """Return whether an outcome is what the record says, up to rounding."""
    return _equal(expected(record), outcome.result())


def _equal(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return type(one) is type(other) and one == other
