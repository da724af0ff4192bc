"""The service that a bundle gives, whatever carries its requests: loading, readiness, one sample, many, lines."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbslim.runtime import plain
from nbslim.runtime.bundle import Bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.metrics import AnswerFigures
from nbslim.runtime.problems import JSON, Problem, Response
from nbslim.runtime.readiness import is_right, trial
from nbslim.runtime.samples import input_schema
from nbslim.runtime.scoring import EntryPoints, Outcome, Served, as_served, expected
from nbslim.runtime.settings import Settings


class Service:
    """Answers requests with what `serve` gave it last; before that, it is not ready."""

    def __init__(self, settings: Settings, figures: Figures) -> None:
        self.settings = settings
        self.figures = figures
        self.entry_points: EntryPoints | None = None
        self.ready = False
        self._retired = False
        self._reader = plain.Reader(settings)
        self._served: Served | None = None
        self._answers = AnswerFigures(figures, [])
        self._trial: Mapping[str, Any] | None = None
        self._obstacle = "the model is being loaded; try again soon"

    def serve(self, entry_points: EntryPoints) -> None:
        """Answer with `entry_points` from now on."""
        samples = entry_points.samples if isinstance(entry_points, Bundle) else ()
        if self.settings.like_samples and samples:
            self._reader = plain.Reader(self.settings, input_schema(samples))
        self._answers = AnswerFigures(self.figures, [record.get("answer") for record in samples])
        self.entry_points = entry_points
        self._served = as_served(entry_points)
        self._trial = trial(samples)

    def try_one(self) -> str | None:
        """Be ready from now on, if a sample is answered right or there is none; return what is wrong."""
        if self._trial is not None and self._served is not None:
            outcome = self._served(copy.deepcopy(self._trial["input"]))
            if not is_right(self._trial, outcome):
                self._obstacle = "a sample of the notebook is not answered as the notebook answered it"
                found, wanted = outcome.result(), expected(self._trial)
                return f"the sample {self._trial['input']!r:.200} gets {found!r:.200}, not {wanted!r:.200}"
        self.ready = True
        return None

    def retire(self) -> None:
        """Answer as before, but be not ready any more."""
        self._obstacle = "the service is about to stop"
        self._retired = True

    def readiness(self) -> Response:
        """Return whether requests should be sent here."""
        if self.ready and not self._retired:
            return Response(200, JSON, b'{"status":"ready"}')
        return _not_ready(self._obstacle).response()

    def refusal(self) -> Response | None:
        """Return the response to all samples as long as nothing is loaded."""
        return _not_ready(self._obstacle).response() if self._served is None else None

    def predict(self, body: bytes, encoding: str) -> Response:
        """Answer a request with one sample."""
        try:
            served = self._loaded()
            return plain.answered(self._score(served, self._reader.sample(body, encoding)))
        except Problem as problem:
            return problem.response()

    def predict_all(self, requests: Sequence[tuple[bytes, str]]) -> list[Response]:
        """Answer requests with one sample each, scored as a batch; one that is wrong does not change the others."""
        read = [self._tried(self._reader.sample, body, encoding) for body, encoding in requests]
        return [plain.answered(one) for one in self._scored(read)]

    def predict_batch(self, body: bytes, encoding: str, content_type: str) -> Response:
        """Answer a request with many samples, a JSON array or JSON lines."""
        try:
            self._loaded()
            if not plain.is_lines(content_type):
                return plain.answered_all(self._scored(self._reader.batch(body, encoding)))
            lines = self._reader.lines(body, encoding)
        except Problem as problem:
            return problem.response()
        return Response(200, plain.LINES, b"".join(self.predict_lines(lines)))

    def predict_lines(self, lines: Sequence[bytes]) -> list[bytes]:
        """Answer lines with one sample each; each gets a line of its own."""
        results = self._scored([self._tried(self._reader.line, line) for line in lines])
        return [plain.answered_line(result) for result in results]

    def _loaded(self) -> Served:
        """Return what scores; raises Problem where nothing is loaded yet."""
        if self._served is None:
            raise _not_ready(self._obstacle)
        return self._served

    def _tried(self, read: Callable[..., object], *body: bytes | str) -> object:
        """Return the sample that `read` finds, or what is wrong with it."""
        try:
            self._loaded()
            return read(*body)
        except Problem as problem:
            return problem

    def _score(self, served: Served, sample: object) -> Outcome:
        try:
            outcome = served(sample)
        except KeyboardInterrupt as error:  # the notebook's own: a signal stops the main thread, no other
            outcome = Outcome(error=error, step="predictor")
        if outcome.answer is not None:
            self._answers.count(outcome.answer)
        return outcome

    def _scored(self, read: Sequence[object]) -> Sequence[Outcome | Problem]:
        """Score those of `read` that are samples; what is no sample keeps its place."""
        samples = [one for one in read if not isinstance(one, Problem)]
        if len(samples) == len(read):
            return self._score_all(samples)
        outcomes = iter(self._score_all(samples))
        return [one if isinstance(one, Problem) else next(outcomes) for one in read]

    def _score_all(self, samples: Sequence[object]) -> list[Outcome]:
        if not samples:
            return []
        served = self._loaded()
        try:
            outcomes = served.score_all(samples)
        except KeyboardInterrupt:
            return [self._score(served, sample) for sample in samples]
        answers = [outcome.answer for outcome in outcomes if outcome.answer is not None]
        for answer, times in Counter(answers).items():
            self._answers.count(answer, times)
        return outcomes


def _not_ready(obstacle: str) -> Problem:
    return Problem(503, "not-ready", "The service is not ready", obstacle, {"Retry-After": "1"})
