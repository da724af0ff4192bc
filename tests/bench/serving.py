"""The image's service beside five others that serve the same model: start, memory, requests and rows per second."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ask import Ask
from comparison import ROWS, Measured, Results, print_goals, print_tables
from containers import Started, wait_for
from examples import Examples
from load import Load, load
from processes import Memory, memory
from services import NAMES, Service, services
from support import ROOT

ROUNDS = 3
"""How often each service is started; all rounds but the first, which also fills the page cache, put load on it."""
WARM_UP, SECONDS = 2, 5


@dataclass(frozen=True)
class Round:
    """What was seen of a service from one start to its end; its memory is that after load, if load there was."""

    seconds: float
    memory: Memory
    one: Load | None = None
    many: Load | None = None
    rows: Load | None = None


def table(examples: Examples, names: Sequence[str] = NAMES) -> None:
    """Measure those of NAMES that are in `names`, each alone, all in turn, and print how they compare."""
    print(
        "kmeans, served by its image and by others, each with its production command and its own protocol; seconds\n"
        f"from start to the first right answer (median of {ROUNDS}), memory of all processes after load, load by wrk\n"
        f"(the better of {ROUNDS - 1} runs of {SECONDS} s); CPU: the service's, per request; x: ratio to nbslim\n"
        f"with as many workers; {os.cpu_count()} cores, load average before: {os.getloadavg()[0]:.1f}"
    )
    if missing := [tool for tool in ("podman", "wrk") if not shutil.which(tool)]:
        print(f"{' and '.join(missing)}: not installed, so nothing is measured")
        return
    begun = time.monotonic()
    image = examples.packed(ROOT / "fixtures/kmeans")
    with tempfile.TemporaryDirectory() as folder:
        results = _measured(list(services(image, names, Path(folder))), image.samples, Path(folder))
    print_tables(results)
    print()
    print_goals(results)
    print(f"measured in {time.monotonic() - begun:.0f} s")


def _measured(chosen: Sequence[Service], samples: Sequence[dict], folder: Path) -> Results:
    rounds: list[list[Round]] = []
    for number in range(ROUNDS):
        rounds.append([])
        for service in chosen:
            sys.stderr.write(f"round {number + 1} of {ROUNDS}: {service.name}, workers: {service.workers}\n")
            rounds[-1].append(_round(service, samples, folder, loaded=number > 0))
    return {
        (service.name, service.workers): _summary(of_service) for service, *of_service in zip(chosen, *rounds)
    }


def _summary(rounds: Sequence[Round]) -> Measured:
    loaded = rounds[1:]
    return Measured(
        seconds=median(one.seconds for one in rounds),
        memory=loaded[-1].memory,
        one=_better([one.one for one in loaded]),
        many=_better([one.many for one in loaded]),
        rows=_better([one.rows for one in loaded]),
    )


def _better(loads: Sequence[Load]) -> Load:
    """Return the load of the highest rate, as whatever else the machine does only takes from it; or one that failed."""
    return next((one for one in loads if one.problem), max(loads, key=lambda one: one.rate))


def _round(service: Service, samples: Sequence[dict], folder: Path, *, loaded: bool) -> Round:
    first, rows = samples[:1], [samples[number % len(samples)] for number in range(ROWS)]
    with service.start() as started:
        wait_for(lambda: service.one.is_right(started.address, first))
        seconds = time.monotonic() - started.at
        for sample in samples:
            assert service.one.is_right(started.address, [sample]), sample
        if not loaded:
            return Round(seconds, memory(started.process()))
        one = _load(started, service.one, first, 1, folder)
        many = _load(started, service.one, first, 32, folder)
        batches = _load(started, service.many, rows, 1, folder)
        return Round(seconds, memory(started.process()), one, many, batches)


def _load(started: Started, ask: Ask, samples: Sequence[dict], connections: int, folder: Path) -> Load:
    """Return what came of the load, after a warm-up, or what is wrong with the very first answer."""
    try:
        if not ask.is_right(started.address, samples):
            return Load.failed(f"{ask.path} gives other answers than the notebook")
    except OSError as error:
        return Load.failed(f"{ask.path}: {error}")
    body = folder / "body.json"
    body.write_bytes(ask.body(samples))
    address, process = started.address + ask.path, started.process()
    load(address, body, connections, WARM_UP, process)
    return load(address, body, connections, SECONDS, process)
