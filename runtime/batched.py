"""Score many rows in rounds: each row's own steps alone, and what the steps ask of a model for all rows at once."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from nbslim.runtime.scoring import BatchError

Question = tuple[int, tuple[Any, ...], tuple[Any, ...]]
"""The number of a site, what differs in each row, and what else the site needs of the row's steps."""
_Asked = tuple[int, Question]
"""A row, and what it asks."""

_PLAIN = frozenset({int, float, str, bool, type(None)})
_WHOLE = frozenset({int})
_NUMBERS = frozenset({int, float})
_LONG = 1 << 63
_INEXACT = 1 << 53


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

    steps: Callable[[Any], Any]
    """A generator function; where all that the predictor does is to return the result, what returns the question."""
    sites: tuple[Site, ...]
    direct: bool = False
    """Whether `steps` returns the question."""
    mixed: bool = False
    """Whether a whole number may be beside a fraction: it is proved that the predictor answers to 1 and 1.0 alike."""

    def __call__(self, samples: Sequence[Any]) -> list[Any]:
        """Return the predictor's answer to each of `samples`, in order; raises what it raises for any of them."""
        contexts = [contextvars.copy_context() for _ in samples]
        answers: list[Any] = [None] * len(samples)
        if self.direct:
            asked = list(enumerate(context.run(self.steps, one) for context, one in zip(contexts, samples)))
            for index, result in self._results(asked, contexts):
                answers[index] = result
            return answers
        runs = [(self.steps(sample), context) for sample, context in zip(samples, contexts)]
        results: list[tuple[int, Any]] = [(index, None) for index in range(len(samples))]
        while results:
            asked = []
            for index, result in results:
                steps, context = runs[index]
                try:
                    asked.append((index, context.run(steps.send, result)))
                except StopIteration as end:
                    answers[index] = end.value
            results = list(self._results(asked, contexts))
        return answers

    def _results(
        self, asked: Sequence[_Asked], contexts: Sequence[contextvars.Context]
    ) -> Iterator[tuple[int, Any]]:
        """Yield what is answered to each row, after all have asked."""
        # What the first row's steps have set is set for all: they have taken the same way.
        groups = [(group, contexts[group[0][0]].run(self._ask, group)) for group in self._groups(asked)]
        for group, picked in groups:
            yield from zip((index for index, _ in group), picked)

    def _groups(self, asked: Sequence[_Asked]) -> Collection[Sequence[_Asked]]:
        """Return questions that can be asked at once, together.

        Neighbours of other types would change a row's own: the 1 of `[1]` is 1.0 in an array beside `[0.5]`.
        """
        if len(self.sites) == 1 and not self.sites[0].by_column:
            parts = [part for _, (_, rows, rest) in asked for part in (*rows, *rest)]
            if len(parts) == len(asked) and _are_alike(parts, mixed=self.mixed):
                return [asked]
        groups: dict[object, list[_Asked]] = {}
        for one in asked:
            groups.setdefault(self._together(*one[1]), []).append(one)
        return groups.values()

    def _together(self, number: int, rows: tuple[Any, ...], rest: tuple[Any, ...]) -> object:
        """Return what questions have in common that are asked at once."""
        kind = kind_in_frame if self.sites[number].by_column else kind_in_array
        return (number, *[kind(row, mixed=self.mixed) for row in rows], *map(id, rest))

    def _ask(self, group: Sequence[_Asked]) -> list[Any]:
        """Return the result for each row of `group`."""
        number, _, rest = group[0][1]
        site = self.sites[number]
        result = site.ask(*map(list, zip(*[rows for _, (_, rows, _) in group])), *rest)
        if _length(result, len(group)) != len(group):
            raise BatchError(f"{len(result)} results for {len(group)} rows")
        return [site.pick(result, place) for place in range(len(group))]


def item(result: Any, place: int) -> Any:
    """Return what is at `place`: where the predictor takes `[0]`."""
    return result[place]


def part(result: Any, place: int) -> Any:
    """Return what the result for this row alone would be."""
    return result[place : place + 1]


def kind_in_array(value: Any, *, mixed: bool) -> object:
    """Return what decides the type that `value` gets in an array, where all items share one; no values."""
    if type(value) is not list and type(value) is not tuple:
        return _kind(value, kind_in_array, mixed=mixed)
    types = frozenset(map(type, value))
    if not types <= _PLAIN:
        return tuple(kind_in_array(item, mixed=mixed) for item in value)
    if int in types:
        if any(type(item) is int and _is_long(item, mixed=mixed) for item in value):
            return object()
        if mixed and types <= _NUMBERS:
            types = _NUMBERS
        if float in types:  # which makes floats of the integers beside it
            types -= _WHOLE
    return len(value), types


def kind_in_frame(value: Any, *, mixed: bool) -> object:
    """Return what decides the types that the items of `value` get in a frame, where each column has its own."""
    if type(value) is list or type(value) is tuple:
        return tuple(kind_in_frame(item, mixed=mixed) for item in value)
    return _kind(value, kind_in_frame, mixed=mixed)


def _kind(value: Any, kind_of_item: Callable[..., object], *, mixed: bool) -> object:
    if type(value) is dict:
        return tuple((name, kind_of_item(item, mixed=mixed)) for name, item in value.items())
    if type(value) is int:
        return object() if _is_long(value, mixed=mixed) else float if mixed else int
    if hasattr(value, "dtype"):
        return type(value), str(value.dtype), getattr(value, "shape", None)
    return type(value)


def _is_long(number: float, *, mixed: bool) -> bool:
    """Return whether another integer beside this one may become a float or an object, or this one another float."""
    return not (-_INEXACT <= number <= _INEXACT if mixed else -_LONG <= number < _LONG)


def _are_alike(rows: Sequence[Any], *, mixed: bool) -> bool:
    """Return whether all rows are lists of as many items, of one type in an array; False may be wrong."""
    if set(map(type, rows)) != {list} or len(set(map(len, rows))) != 1:
        return False
    types = set(map(type, chain.from_iterable(rows)))
    if len(types) == 1 and not types <= _WHOLE:
        return types <= _PLAIN
    if not types or not types <= (_NUMBERS if mixed else _WHOLE):
        return False
    return not any(_is_long(extreme(chain.from_iterable(rows)), mixed=mixed) for extreme in (min, max))


def _length(result: Any, otherwise: int) -> int:
    try:
        return len(result)
    except TypeError:  # pandas' indexers and scipy's matrices have none
        return otherwise
