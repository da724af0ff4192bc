"""Score one sample: validator, predictor, encoder; the one definition of what the answer is."""

from __future__ import annotations

import contextvars
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nbslim.runtime.encode import encode, plain


@dataclass(frozen=True)
class EntryPoints:
    """The functions that a notebook serves; without a validator nothing is checked."""

    predictor: Callable[[Any], Any]
    validator: Callable[[Any], Any] | None


@dataclass(frozen=True)
class Outcome:
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


def as_served(entry_points: EntryPoints) -> Callable[[object], Outcome]:
    """Return what scores a sample in any thread, with what is set here for this one alone: a decimal context."""
    context = contextvars.copy_context()
    return lambda sample: context.copy().run(score, entry_points, sample)


def score(entry_points: EntryPoints, sample: object) -> Outcome:
    """Return what becomes of `sample`; whatever the notebook's functions raise becomes an outcome."""
    step = "validator"
    try:
        if entry_points.validator is not None and not entry_points.validator(sample):
            return Outcome(refused=True)
        step = "predictor"
        answer = entry_points.predictor(sample)
        step = "encoder"
        return Outcome(answer=encode(answer))
    except KeyboardInterrupt:  # somebody stops the process, not the sample
        raise
    except BaseException as error:  # `sys.exit()` in a notebook's function must not end the server
        return Outcome(error=error, step=step)
