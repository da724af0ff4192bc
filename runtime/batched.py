"""Score many rows in rounds: each row's own steps alone, and what the steps ask of a model for all rows at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

from nbslim.runtime.scoring import BatchError

Question = tuple[int, tuple[Any, ...], tuple[Any, ...]]
"""The number of a site, what differs in each row, and what else the site needs of the row's steps."""

_PLAIN = frozenset({int, float, str, bool, type(None)})
_WHOLE = frozenset({int})
_LONG = 1 << 63


@dataclass(frozen=True)
class Site:
    """A place where a predictor asks a model about one row, in the form that asks about many.

    `ask` gets a list for each thing that differs in each row, then the rest; `pick` takes a row's part of the result.
    """

    ask: Callable[..., Any]
    pick: Callable[[Any, int], Any]
    by_column: bool
    """Whether each column has a type of its own, as in a frame; else all of a row's items share one, as in an array."""


@dataclass(frozen=True)
class Batched:
    """The batched form of a predictor: its own steps, that yield questions where it asks a model, and the sites."""

    steps: Callable[[Any], Generator[Question, Any, Any]]
    sites: tuple[Site, ...]

    def __call__(self, samples: Sequence[Any]) -> list[Any]:
        """Return the predictor's answer to each of `samples`, in order; raises what it raises for any of them."""
        answers: list[Any] = [None] * len(samples)
        runs = [(self.steps(sample), contextvars.copy_context()) for sample in samples]
        results: list[tuple[int, Any]] = [(index, None) for index in range(len(samples))]
        while results:
            groups: dict[object, list[tuple[int, Question]]] = {}
            for index, result in results:
                steps, context = runs[index]
                try:
                    question = context.run(steps.send, result)
                except StopIteration as end:
                    answers[index] = end.value
                else:
                    groups.setdefault(self._together(*question), []).append((index, question))
            # What the first row's steps have set is set for all: they have taken the same way.
            asked = [(group, runs[group[0][0]][1].run(self._ask, group)) for group in groups.values()]
            results = [result for group, picked in asked for result in zip((i for i, _ in group), picked)]
        return answers

    def _together(self, number: int, rows: tuple[Any, ...], rest: tuple[Any, ...]) -> object:
        """Return what questions have in common that are asked at once.

        Neighbours of other types would change a row's own: the 1 of `[1]` is 1.0 in an array beside `[0.5]`.
        """
        kind = kind_in_frame if self.sites[number].by_column else kind_in_array
        if len(rows) == 1 and not rest:  # as most are
            return number, kind(rows[0])
        return (number, *map(kind, rows), *map(id, rest))

    def _ask(self, group: Sequence[tuple[int, Question]]) -> list[Any]:
        """Return the result for each row of `group`."""
        number, _, rest = group[0][1]
        site = self.sites[number]
        result = site.ask(*map(list, zip(*(rows for _, (_, rows, _) in group))), *rest)
        if _length(result, len(group)) != len(group):
            raise BatchError(f"{len(result)} results for {len(group)} rows")
        return [site.pick(result, place) for place in range(len(group))]


def item(result: Any, place: int) -> Any:
    """Return what is at `place`: where the predictor takes `[0]`."""
    return result[place]


def part(result: Any, place: int) -> Any:
    """Return what the result for this row alone would be."""
    return result[place : place + 1]


def kind_in_array(value: Any) -> object:
    """Return what decides the type that `value` gets in an array, where all items share one; no values."""
    if type(value) is not list and type(value) is not tuple:
        return _kind(value, kind_in_array)
    types = frozenset(map(type, value))
    if not types <= _PLAIN:
        return tuple(map(kind_in_array, value))
    if int in types:
        if any(type(item) is int and not -_LONG <= item < _LONG for item in value):
            return object()
        if float in types:  # which makes floats of the integers beside it
            types -= _WHOLE
    return len(value), types


def kind_in_frame(value: Any) -> object:
    """Return what decides the types that the items of `value` get in a frame, where each column has its own."""
    if type(value) is list or type(value) is tuple:
        return tuple(map(kind_in_frame, value))
    return _kind(value, kind_in_frame)


def _kind(value: Any, kind_of_item: Callable[[Any], object]) -> object:
    if type(value) is dict:
        return tuple((name, kind_of_item(item)) for name, item in value.items())
    if type(value) is int and not -_LONG <= value < _LONG:
        return object()  # like no other: beside it, another integer may become a float or an object
    if hasattr(value, "dtype"):
        return type(value), str(value.dtype), getattr(value, "shape", None)
    return type(value)


def _length(result: Any, otherwise: int) -> int:
    try:
        return len(result)
    except TypeError:  # pandas' indexers and scipy's matrices have none
        return otherwise
