"""What doubling a notebook does to the time and memory of its analysis; each measurement is a process of its own."""

from __future__ import annotations

import cProfile
import math
import pstats
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.types import Cell, Notebook
from shapes import SHAPES

DOUBLING = (625, 1250, 2500, 5000)
LIMIT = 2.2
"""How much more time twice the cells may take, noise allowed for; what grows faster is marked."""
SECONDS, MEGABYTES = 30, 500
"""What 5,000 cells may take."""
USUAL = ("chain", "functions", "many_lists_updated", "aliases")
"""Shapes that notebooks have: values made of values, functions that call functions, values that change, aliases."""


def limits() -> None:
    """Measure the usual shapes, and hold the largest against what it may take."""
    seconds, megabytes = map(max, zip(*table(USUAL), strict=True))
    kept = "met" if seconds <= SECONDS and megabytes <= MEGABYTES else "NOT MET"
    print(f"at most: {seconds:.1f} s of {SECONDS} s, {megabytes:.0f} MB of {MEGABYTES} MB  {kept}")


def table(shapes: Sequence[str]) -> list[tuple[float, float]]:
    """Print CPU seconds, peak memory and ratios for each of `shapes`, or all; return those of the most cells."""
    print(f"{'cells':20}" + "".join(f"{size:>17}" for size in DOUBLING) + "   ratios of doubling")
    largest = []
    for shape in shapes or SHAPES:
        results = [_measured(shape, size) for size in DOUBLING]
        cells = "".join(f"{seconds:8.2f} s{megabytes:4.0f} MB" for seconds, megabytes in results)
        ratios = [twice / once for (once, _), (twice, _) in pairwise(results)]
        marked = " ".join(f"{ratio:.2f}{'!' if ratio > LIMIT else ''}" for ratio in ratios)
        print(f"{shape:20}{cells}   {marked}", flush=True)
        largest.append(results[-1])
    return largest


def profile(shape: str) -> None:
    """Print the functions in which most time is spent with 2,000 cells."""
    given = _notebook(shape, 2000)
    with cProfile.Profile() as profiler:
        find_closure(given)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(12)


def _notebook(shape: str, size: int) -> Notebook:
    sources = SHAPES[shape](size)
    return Notebook(Path("/nowhere/n.ipynb"), tuple(Cell(n, s, s) for n, s in enumerate(sources, 1)), None)


def _measured(shape: str, size: int) -> tuple[float, float]:
    command = [sys.executable, __file__, shape, str(size)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * SECONDS)
    except subprocess.TimeoutExpired:
        return math.inf, math.inf
    if "MemoryError" in ran.stderr:
        return math.inf, math.inf
    seconds, megabytes = ran.stdout.split()
    return float(seconds), float(megabytes)


def _measure(shape: str, size: int) -> None:
    """Print CPU seconds and peak megabytes of one analysis, of this process."""
    given = _notebook(shape, size)
    resource.setrlimit(resource.RLIMIT_AS, (4 * MEGABYTES * 1_000_000,) * 2)  # the machine is to survive it
    started = time.process_time()
    find_closure(given)
    seconds = time.process_time() - started
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


if __name__ == "__main__":
    _measure(sys.argv[1], int(sys.argv[2]))
