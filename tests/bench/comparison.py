"""What was measured of services beside each other, as tables with ratios, and the goals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from load import Load
from processes import Memory
from services import FORMS, NAMES, WORKERS

ROWS = 100
"""How many a request has in the load of rows."""
OURS, WINDOW = FORMS
_PEERS = NAMES[1:]


@dataclass(frozen=True)
class Measured:
    """What a service took: seconds from its start to the first right answer, memory, and what came of each load."""

    seconds: float
    memory: Memory
    one: Load
    """Single rows over 1 connection."""
    many: Load
    """Single rows over 32 connections."""
    rows: Load
    """Batches over 1 connection."""


Results = Mapping[tuple[str, int], Measured]
"""By the service's name and number of workers, in the order of the tables."""


@dataclass(frozen=True)
class Column:
    """A figure of each service; `compared`: followed by its ratio to ours."""

    title: str
    value: Callable[[Measured], float]
    digits: int = 0
    compared: bool = False


@dataclass(frozen=True)
class Goal:
    """A ratio that is to be at least `limit`, or at most."""

    title: str
    ratio: float
    limit: float
    at_most: bool = False

    def __str__(self) -> str:
        met = self.ratio <= self.limit if self.at_most else self.ratio >= self.limit
        bound = "at most" if self.at_most else "at least"
        return f"{self.title}: {self.ratio:.2f}, allowed: {bound} {self.limit:.2f}  {'met' if met else 'NOT MET'}"


def print_tables(results: Results) -> None:
    """Print a table for start and memory and one for each load, and then what was not answered right."""
    for title, columns in _TABLES.items():
        _print_table(title, columns, results)
    for (name, workers), measured in results.items():
        for load in (measured.one, measured.many, measured.rows):
            if load.problem:
                print(f"{name}, workers: {workers}: {load.problem}")


def print_goals(results: Results) -> None:
    """Print each goal with its ratio, where all services were measured."""
    if {name for name, _ in results} != {*FORMS, *_PEERS}:
        print("goals: not all services were measured")
        return
    for workers in WORKERS:
        print(f"goals with {workers} worker{'s' * (workers > 1)}, of ratios of this run:")
        for goal in _goals(
            {name: measured for (name, number), measured in results.items() if number == workers}
        ):
            print(f"    {goal}")


def _goals(of: Mapping[str, Measured]) -> Iterator[Goal]:
    ours, window = of[OURS], of[WINDOW]
    first = max(_PEERS, key=lambda name: of[name].one.rate)
    yield _of_rates(f"concurrency 1, to the fastest ({first})", ours.one, of[first].one, 1)
    yield _of_rates("concurrency 32, to flask", ours.many, of["flask"].many, 1)
    first = max(_PEERS, key=lambda name: of[name].many.rate)
    title = f"concurrency 32 with a window, to the fastest ({first})"
    yield _of_rates(title, window.many, of[first].many, 1.3)
    for name in ("bentoml", "mlflow"):
        yield Goal(f"start of {name} to ours", _ratio(of[name].seconds, ours.seconds), 3)
    first = min(("bentoml", "mlflow", "mlserver"), key=lambda name: of[name].memory.pss)
    ratio = _ratio(ours.memory.pss, of[first].memory.pss)
    yield Goal(f"PSS to the leanest ({first})", ratio, 0.6, at_most=True)
    yield Goal("rows in batches to single ones", _ratio(ours.rows.rate * ROWS, ours.one.rate), 20)


def _of_rates(title: str, load: Load, other: Load, limit: float) -> Goal:
    # CPU time tells more than the rate where something else has a part of the machine.
    return Goal(
        f"{title}, with {_ratio(load.cpu, other.cpu):.2f} of its CPU time",
        _ratio(load.rate, other.rate),
        limit,
    )


def _ratio(value: float, measure: float) -> float:
    """Return the ratio, or what meets no goal where something was not answered right."""
    return value / measure if value and measure else math.nan


def _print_table(title: str, columns: Sequence[Column], results: Results) -> None:
    heads = [head for column in columns for head in (column.title, *["x"] * column.compared)]
    print(f"\n{title:<20}{'workers':>8}" + "".join(f"{head:>12}" for head in heads))
    for (name, workers), measured in results.items():
        ours = results.get((OURS, workers))
        cells = [cell for column in columns for cell in _cells(column, measured, ours)]
        print(f"{name:<20}{workers:>8}" + "".join(f"{cell:>12}" for cell in cells))


def _cells(column: Column, measured: Measured, ours: Measured | None) -> Iterator[str]:
    value = column.value(measured)
    yield f"{value:.{column.digits}f}" if value else "-"
    if column.compared:
        ratio = _ratio(value, column.value(ours)) if ours else math.nan
        yield "-" if math.isnan(ratio) else f"{ratio:.2f}"


def _load_columns(load: Callable[[Measured], Load], unit: str, each: int = 1) -> tuple[Column, ...]:
    return (
        Column(unit, lambda measured: load(measured).rate * each, compared=True),
        Column("p50 ms", lambda measured: load(measured).p50 * 1e3, digits=2),
        Column("p99 ms", lambda measured: load(measured).p99 * 1e3, digits=2),
        Column("CPU us", lambda measured: load(measured).cpu * 1e6, compared=True),
    )


_TABLES = {
    "start and memory": (
        Column("seconds", lambda measured: measured.seconds, digits=2, compared=True),
        Column("RSS MB", lambda measured: measured.memory.rss / 1e6, digits=1, compared=True),
        Column("PSS MB", lambda measured: measured.memory.pss / 1e6, digits=1, compared=True),
        Column("processes", lambda measured: measured.memory.processes),
    ),
    "concurrency 1": _load_columns(lambda measured: measured.one, "requests/s"),
    "concurrency 32": _load_columns(lambda measured: measured.many, "requests/s"),
    f"batches of {ROWS}": _load_columns(lambda measured: measured.rows, "rows/s", ROWS),
}
