"""How each name in a pickle is reached: the shortest path to it, and in whose objects it lies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbslim.analyzer.made import STATE, Global, Made
from nbslim.analyzer.names import family, is_standard

Libraries = frozenset[str]
"""Of the objects around a name, by what tells their distributions: `sklearn`, `google.cloud.storage`."""

_ROOT, _NAMES, _ATTRIBUTES, _ITEMS = object(), object(), object(), object()
_UNSAID = {"__globals__", "__closure__", "_cloudpickle_submodules", "arguments", "cell_contents", STATE, None}


@dataclass(frozen=True)
class Reference:
    """A name of a module in a pickle, and one way to it."""

    found: Global
    path: tuple[str, ...]
    """From the entry point through names and attributes: `predictor`, `model`, `.fig_`."""
    inside: Libraries

    def __str__(self) -> str:
        return " → ".join([*self.path, str(self.found)])


class _Step(NamedTuple):
    """A value as the walk came to it, under `key` of the step before."""

    value: Any
    key: Any
    before: _Step | None


def references(root: Any) -> Iterator[Reference]:
    """Yield the names that `root` holds, each for every set of libraries around it that none before covers.

    Those inside of few libraries are looked for first, and among them those with a short path.
    """
    seen: dict[int, list[Libraries]] = {}
    waiting: list[deque[tuple[_Step, Libraries]]] = [deque([(_Step(root, _ROOT, None), frozenset())])]
    while fewest := next(filter(None, waiting), None):
        step, inside = fewest.popleft()
        value = step.value
        before = seen.setdefault(id(value), [])
        if any(covering <= inside for covering in before):
            continue
        before.append(inside)
        if isinstance(value, Global) and not value.is_picklers_own:
            yield Reference(value, tuple(_path(step)), inside)
        for key, part, libraries in _parts(value, inside):
            waiting += (deque() for _ in range(len(waiting), len(libraries) + 1))
            waiting[len(libraries)].append((_Step(part, key, step), libraries))


def _parts(value: Any, inside: Libraries) -> Iterator[tuple[Any, Any, Libraries]]:
    """Yield key and value of what lies in `value`, with the libraries whose objects are then around it."""
    parts: Sequence[tuple[Any, Any]] = list(enumerate(value)) if isinstance(value, tuple) else ()
    if isinstance(value, Made):
        parts = value.parts
        if value.maker is not None:
            yield None, value.maker, inside
            # what the notebook's own code names, it names by itself, wherever that code lies
            inside = frozenset() if value.maker.makes_code else inside | _library(value.maker)
    for key, part in parts:
        if _holds_names(part):
            yield key, part, inside


def _holds_names(value: Any) -> bool:
    """Tell whether a look inside may be worth it: data have many tuples of numbers and texts."""
    if isinstance(value, tuple):
        return any(isinstance(part, (Made, Global, tuple)) for part in value)
    return isinstance(value, Global) or (isinstance(value, Made) and bool(value.parts or value.maker))


def _library(maker: Global) -> Libraries:
    return frozenset() if is_standard(maker.module) else frozenset({family(maker.module)})


def _path(last: _Step) -> Iterator[str]:
    """Yield the names, attributes and items on the way to a step, as Python would write them."""
    steps = [last]
    while before := steps[-1].before:
        steps.append(before)
    style: Any = _NAMES
    for step in reversed(steps[:-1]):
        if isinstance(step.key, str) and step.key not in _UNSAID and step.before:
            yield _text(step.key, style)
        elif isinstance(step.key, int) and style is _ITEMS and not _is_arguments(step.before):
            yield f"[{step.key}]"
        style = _style(step, style)


def _text(key: str, style: Any) -> str:
    if style is _ITEMS:
        return f"[{key!r}]"
    return f".{key}" if style is _ATTRIBUTES else key


def _style(step: _Step, style: Any) -> Any:
    """Return how the keys of a step's value are written: state holds attributes, and a function's globals names."""
    if step.key is STATE:
        return _ATTRIBUTES
    if style is _ATTRIBUTES and step.key == "__globals__":
        return _NAMES
    passed = style is _ATTRIBUTES and isinstance(step.key, int)  # a state in two parts
    return style if passed else _ITEMS


def _is_arguments(step: _Step | None) -> bool:
    while step is not None and isinstance(step.value, tuple):
        if step.key in ("arguments", "__closure__", "_cloudpickle_submodules"):
            return True
        step = step.before
    return False
