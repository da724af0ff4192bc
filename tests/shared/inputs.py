"""Inputs for a predictor, drawn from strategies that its samples alone define."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

Path = tuple[int | str, ...]
"""The keys and indexes that lead to a part of a JSON value."""

EXTREME_NUMBERS = (0, -1, 0.1, -0.0, 1e308, -1e308, 5e-324, 2**31, 2**63, -(2**64), 10**400, -(10**400))
EXTREME_TEXTS = ("", " ", "x", "1.5", "nan", "\x00", "\ud800", "\u2028", "long " * 2000)
OTHERS = (None, True, False, [], {}, [[1]], {"value": 1}, *EXTREME_NUMBERS, *EXTREME_TEXTS)

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def like(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    """Draw JSON values of the shapes that `values` have, with other numbers and other sentences."""
    alike: dict[Callable[[Sequence[Any]], st.SearchStrategy[Any]], list[Any]] = {}
    for value in values:
        alike.setdefault(_drawer(value), []).append(value)
    return st.one_of(draw(members) for draw, members in alike.items())


@st.composite
def reshaped(draw: st.DrawFn, values: Sequence[Any]) -> Any:
    """Draw values like `values`, of which one part has an item more or less, or is wrapped or emptied."""
    value = draw(like(values))
    path = draw(st.sampled_from([(), *places(value)]))
    return replaced(value, path, draw(st.sampled_from(_other_shapes(part(value, path)))))


@st.composite
def mistyped(draw: st.DrawFn, values: Sequence[Any]) -> Any:
    """Draw values like `values`, of which one part is anything else."""
    value = draw(like(values))
    path = draw(st.sampled_from(list(places(value))))
    return replaced(value, path, draw(st.sampled_from(OTHERS) | _ANYTHING))


@st.composite
def extreme(draw: st.DrawFn, values: Sequence[Any]) -> Any:
    """Draw values like `values`, whose numbers and texts are extreme ones here and there."""
    value = draw(like(values))
    for path in list(places(value)):
        own = type(part(value, path))
        choices = {int: EXTREME_NUMBERS, float: EXTREME_NUMBERS, str: EXTREME_TEXTS}.get(own)
        if choices and draw(st.booleans()):
            value = replaced(value, path, draw(st.sampled_from(choices)))
    return value


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield where the parts of `value` are, itself first."""
    yield path
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield from places(value[key], (*path, key))


def part(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """Return `value` with `new` at `path`."""
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def _drawer(value: Any) -> Callable[[Sequence[Any]], st.SearchStrategy[Any]]:
    if value is None or isinstance(value, bool):
        return st.sampled_from
    return {str: _texts, list: _lists, dict: _objects}.get(type(value), _numbers)


def _numbers(values: Sequence[float]) -> st.SearchStrategy[float]:
    """Draw numbers between the given ones and a tenth of their span beyond; integers among them."""
    low, high = min(values), max(values)
    margin = (high - low or 1) / 10
    whole = st.integers(math.floor(low), math.ceil(high))
    return (
        whole if all(isinstance(v, int) for v in values) else whole | st.floats(low - margin, high + margin)
    )


def _texts(values: Sequence[str]) -> st.SearchStrategy[str]:
    """Draw other sentences of the same words; what is a word each time is a category, and stays one of these."""
    words = sorted({word for value in values for word in value.split()})
    if len(words) <= len(values):
        return st.sampled_from(values)
    return st.lists(st.sampled_from(words) | st.text(max_size=8), min_size=1, max_size=20).map(" ".join)


def _lists(values: Sequence[list[Any]]) -> st.SearchStrategy[list[Any]]:
    sizes = sorted(map(len, values))
    if sizes[0] == sizes[-1]:
        return st.tuples(*map(like, zip(*values))).map(list)
    items = [item for value in values for item in value]
    return st.lists(like(items), min_size=sizes[0], max_size=sizes[-1])


def _objects(values: Sequence[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    columns = {
        key: [value[key] for value in values if key in value]
        for key in dict.fromkeys(k for v in values for k in v)
    }
    always = {key: like(column) for key, column in columns.items() if len(column) == len(values)}
    sometimes = {key: like(column) for key, column in columns.items() if len(column) < len(values)}
    return st.fixed_dictionaries(always, optional=sometimes)


def _other_shapes(value: Any) -> list[Any]:
    general: list[Any] = [[value], {"value": value}, [], {}, "", " "]
    if isinstance(value, list):
        general += [value[1:], value[:-1], value + value, value + value[:1], dict(enumerate(map(str, value)))]
    elif isinstance(value, dict):
        general += [{k: v for k, v in value.items() if k != key} for key in value]
        general += [list(value.values()), {**value, "another": 1}, {k.upper(): v for k, v in value.items()}]
    return general
