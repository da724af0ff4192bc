"""Score samples, one or many: validator, predictor, encoder; the one definition of what the answer is."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from nbslim.runtime.encode import encode, plain


@dataclass(frozen=True)
class EntryPoints:
    """The functions that a notebook serves; without a validator nothing is checked.

    `predictor_batch` gives many samples the answers that `predictor` gives each, in their order.
    """

    predictor: Callable[[Any], Any]
    validator: Callable[[Any], Any] | None = None
    predictor_batch: Callable[[list[Any]], Sequence[Any]] | None = None


class Outcome(NamedTuple):  # made for each row: a frozen dataclass takes three times as long
    """What became of one sample: exactly one of `answer`, `refused` and `error` is set.

    `answer` is JSON text. `error` is for the log; `step` says what raised it: the validator, the predictor
    or the encoder.
    """

    answer: str | None = None
    refused: bool = False
    error: BaseException | None = None
    step: str | None = None

    def result(self) -> dict[str, object]:
        """Return the outcome as `samples.jsonl` spells it, without the input."""
        if self.error is not None:
            return {"raises": type(self.error).__name__}
        if self.answer is None:
            return {"refused": True}
        return {"answer": json.loads(self.answer)}

    def record(self, sample: object) -> dict[str, object]:
        """Return what `samples.jsonl` says of `sample` and its outcome; `encode` makes it a line."""
        return {"input": plain(sample), **self.result()}

    def agrees_with(self, record: Mapping[str, object]) -> bool:
        """Return whether a line of `samples.jsonl` says the same, as JSON text: 1 is not 1.0."""
        return encode(self.result()) == encode(expected(record))


def expected(record: Mapping[str, object]) -> dict[str, object]:
    """Return what a line of `samples.jsonl` expects: the line without its input."""
    return {name: value for name, value in record.items() if name != "input"}


class BatchError(Exception):
    """A batched form gave another number of answers than it got samples."""


@dataclass(frozen=True)
class Served:
    """Scores in any thread, each sample with what is set in `context` for it alone: a decimal context."""

    entry_points: EntryPoints
    context: contextvars.Context

    def __call__(self, sample: object) -> Outcome:
        """Return what becomes of one sample."""
        return self.context.copy().run(score, self.entry_points, sample)

    def score_all(
        self, samples: Sequence[object], on_loop: Callable[[BaseException], object] | None = None
    ) -> list[Outcome]:
        """Return what becomes of each sample, in order; `on_loop` is told why they are scored one by one."""
        return self.context.copy().run(score_all, self.entry_points, samples, on_loop)


def as_served(entry_points: EntryPoints) -> Served:
    """Return what scores as a server does, from what is set for this thread now."""
    return Served(entry_points, contextvars.copy_context())


def score(entry_points: EntryPoints, sample: object) -> Outcome:
    """Return what becomes of `sample`; whatever the notebook's functions raise becomes an outcome."""
    return _stopped(entry_points, sample) or _predicted(entry_points, sample)


def score_all(
    entry_points: EntryPoints,
    samples: Sequence[object],
    on_loop: Callable[[BaseException], object] | None = None,
) -> list[Outcome]:
    """Return what becomes of each of `samples`, in order: what `score` makes of it, whatever the others are.

    The batched form gets all that the validator lets through at once. Where it raises, or gives another number of
    answers, these are scored one by one, and `on_loop` is told why.
    """
    contexts = [contextvars.copy_context() for _ in samples]
    if entry_points.predictor_batch is None or len(samples) < 2:
        return [context.run(score, entry_points, sample) for context, sample in zip(contexts, samples)]
    stopped = [context.run(_stopped, entry_points, sample) for context, sample in zip(contexts, samples)]
    passed = [index for index, outcome in enumerate(stopped) if outcome is None]
    try:
        # Copies: what is scored again must be what the validator has left.
        answers = answer_all(entry_points.predictor_batch, [_copied(samples[index]) for index in passed])
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if on_loop:
            on_loop(error)
        scored = [contexts[index].run(_predicted, entry_points, samples[index]) for index in passed]
    else:
        scored = [contexts[index].run(_encoded, answer) for index, answer in zip(passed, answers)]
    rest = iter(scored)
    return [outcome or next(rest) for outcome in stopped]


def answer_all(predictor_batch: Callable[[list[Any]], Sequence[Any]], samples: list[Any]) -> list[Any]:
    """Return the answers of a batched form, one for each of `samples`; raise BatchError where it gives others."""
    if not samples:
        return []
    answers = list(contextvars.copy_context().run(predictor_batch, samples))
    if len(answers) != len(samples):
        raise BatchError(f"{len(answers)} answers to {len(samples)} samples")
    return answers


def _stopped(entry_points: EntryPoints, sample: object) -> Outcome | None:
    """Return the outcome of a sample that the validator does not let through."""
    try:
        if entry_points.validator is None or entry_points.validator(sample):
            return None
        return Outcome(refused=True)
    except KeyboardInterrupt:  # somebody stops the process, not the sample
        raise
    except BaseException as error:  # `sys.exit()` in a notebook's function must not end the server
        return Outcome(error=error, step="validator")


def _predicted(entry_points: EntryPoints, sample: object) -> Outcome:
    try:
        answer = entry_points.predictor(sample)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(error=error, step="predictor")
    return _encoded(answer)


def _encoded(answer: object) -> Outcome:
    try:
        return Outcome(encode(answer))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a value of the notebook's own class may raise anything when it is read
        return Outcome(error=error, step="encoder")


def _copied(value: Any) -> Any:
    """Return a copy of a JSON value; another value as it is."""
    if type(value) is list:
        if _CONTAINERS.isdisjoint(map(type, value)):
            return value[:]
        return [_copied(item) if type(item) in _CONTAINERS else item for item in value]
    if type(value) is dict:
        return {name: _copied(item) if type(item) in _CONTAINERS else item for name, item in value.items()}
    return value


_CONTAINERS = frozenset({list, dict})
