"""The service's metrics: what is counted of requests and answers, in Prometheus' text exposition format."""

from __future__ import annotations

import bisect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nbslim.runtime.figures import OTHERS, Figures

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUESTS = "nbslim_requests_total"
SECONDS = "nbslim_request_seconds"
RUNNING = "nbslim_requests_in_flight"
PREDICTIONS = "nbslim_predictions_total"
VALUES = "nbslim_prediction_values"
MISSES = "nbslim_removed_imports_total"
LOADING = "nbslim_load_seconds"
RESTARTS = "nbslim_worker_restarts_total"
LOST = "nbslim_access_log_lost_total"

_BOUNDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
_CLASSES = 100
"""So many different answers are told apart at most, those that came first."""
_LONG = 1_000
"""An answer of more characters of JSON is one of the others: no label has room for it."""
_IN_HELP = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True)
class Metric:
    """A metric whose numbers differ by one label, if by any; `total` makes one number of those of all processes."""

    name: str
    type: str
    help: str
    label: str = ""
    total: Callable[[Iterable[float]], float] = sum

    def lines(self, numbers: Mapping[str, Sequence[float]]) -> Iterator[str]:
        """Yield its lines for the numbers of each label, sorted by the label."""
        yield f"# HELP {self.name} {self.help.translate(_IN_HELP)}"
        yield f"# TYPE {self.name} {self.type}"
        totals = {label: self.total(values) for label, values in numbers.items()}
        if self.type == "counter" and not self.label:
            totals.setdefault("", 0.0)  # or nobody would see the first one come
        if self.type == "histogram":
            yield from self._buckets(totals)
            return
        for label, value in sorted(totals.items()):
            labels = f'{{{self.label}="{label.translate(_IN_LABEL)}"}}' if self.label else ""
            yield f"{self.name}{labels} {_text(value)}"

    def _buckets(self, totals: Mapping[str, float]) -> Iterator[str]:
        count = 0.0
        for bound in sorted((label for label in totals if label != "sum"), key=float):
            count += totals[bound]
            yield f'{self.name}_bucket{{le="{bound}"}} {_text(count)}'
        yield f"{self.name}_sum {_text(totals.get('sum', 0.0))}"
        yield f"{self.name}_count {_text(count)}"


METRICS = (
    Metric(
        REQUESTS,
        "counter",
        "Requests by the status of the response; 499: the client was gone before.",
        "status",
    ),
    Metric(SECONDS, "histogram", "Seconds from a whole request to its response."),
    Metric(RUNNING, "gauge", "Requests that have no response yet."),
    Metric(PREDICTIONS, "counter", "Answers of the predictor, by value.", "value"),
    Metric(VALUES, "histogram", "Answers of the predictor that are numbers."),
    Metric(LOADING, "gauge", "Seconds that loading the bundle took.", total=max),
    Metric(RESTARTS, "counter", "Worker processes that ended and were replaced."),
    Metric(LOST, "counter", "Lines of the access log that could not be written."),
    Metric(MISSES, "counter", "Imports of modules that nbslim removed from the image.", "module"),
)


def exposition(figures: Figures) -> str:
    """Return the figures of all processes as text of the type CONTENT_TYPE."""
    collected = figures.collect()
    lines: list[str] = []
    for metric in METRICS:
        numbers = {label: values for (name, label), values in collected.items() if name == metric.name}
        if numbers or metric.type != "histogram":
            lines.extend(metric.lines(numbers))
    return "".join(f"{line}\n" for line in lines)


def _text(value: float) -> str:
    return str(int(value)) if value == value // 1 else repr(value)


class Histogram:
    """Counts numbers in buckets of figures."""

    def __init__(self, figures: Figures, name: str, bounds: Sequence[float]) -> None:
        self._figures = figures
        self._bounds = tuple(bounds)
        self._places = [figures.place(name, str(bound)) for bound in (*bounds, "+Inf")]
        self._sum = figures.place(name, "sum")

    def observe(self, value: float, times: int = 1) -> None:
        """Count a number that came so many times."""
        self._figures.add_at(self._places[bisect.bisect_left(self._bounds, value)], times)
        self._figures.add_at(self._sum, value * times)


class RequestFigures:
    """Counts requests by status, and how long they took."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._statuses: dict[int, int] = {}
        self._seconds = Histogram(figures, SECONDS, _BOUNDS)
        self._running = figures.place(RUNNING)
        figures.set(RUNNING, 0)  # what a killed predecessor was at has no response any more

    def begin(self) -> None:
        """Count a request that is there."""
        self._figures.add_at(self._running, 1)

    def end(self, status: int, seconds: float) -> None:
        """Count its response; a request that was none, since it could not be read, takes no time."""
        place = self._statuses.get(status)
        if place is None:
            place = self._statuses[status] = self._figures.place(REQUESTS, str(status))
        self._figures.add_at(place, 1)
        self._figures.add_at(self._running, -1)
        self._seconds.observe(seconds)


class AnswerFigures:
    """Counts answers: numbers with a fraction in a histogram, other scalars by value, the rest not at all.

    Which of the two, the samples' answers say.
    """

    def __init__(self, figures: Figures, answers: Iterable[object]) -> None:
        self._figures = figures
        self._classes: dict[str, int] = {}
        known = [answer for answer in answers if not isinstance(answer, (list, dict))]
        floats = [float(one) for one in known if isinstance(one, float)]
        self._histogram = Histogram(figures, VALUES, bounds(floats)) if floats else None

    def count(self, answer: str, times: int = 1) -> None:
        """Count an answer, as JSON text, that was given so many times."""
        if answer[0] in "[{":
            return
        if self._histogram is not None:
            if answer[0] in "-0123456789":
                self._histogram.observe(float(answer), times)
            return
        place = self._classes.get(answer)
        self._figures.add_at(self._place(answer) if place is None else place, times)

    def _place(self, answer: str) -> int:
        if len(self._classes) >= _CLASSES or len(answer) > _LONG:
            return self._figures.place(PREDICTIONS, OTHERS)
        value = json.loads(answer)
        label = value if isinstance(value, str) else answer
        place = self._classes[answer] = self._figures.place(PREDICTIONS, label)
        return place


def bounds(values: Sequence[float]) -> tuple[float, ...]:
    """Return ten bounds of buckets that lie where `values` lie, and one step beyond at each end."""
    low, high = min(values), max(values)
    step = (high - low) / 8 or abs(high) / 8 or 0.125
    return tuple(float(f"{low + step * number:.6g}") for number in range(-1, 10))
