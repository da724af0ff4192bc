"""What a service's processes take: resident memory and CPU time, summed over its tree of processes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Resident bytes: RSS counts a shared page once for each process, PSS once."""

    rss: int
    pss: int
    processes: int


def memory(root: int) -> Memory:
    """Return what the process `root` and all below it hold."""
    rollups = [Path(f"/proc/{number}/smaps_rollup").read_text() for number in tree(root)]
    return Memory(
        rss=sum(_bytes(rollup, "Rss") for rollup in rollups),
        pss=sum(_bytes(rollup, "Pss") for rollup in rollups),
        processes=len(rollups),
    )


def cpu_seconds(root: int) -> float:
    """Return what the process `root` and all below it have used so far."""
    return sum(_cpu_seconds(number) for number in tree(root))


def tree(root: int) -> Iterator[int]:
    """Yield the numbers of the process `root` and of all below it."""
    yield root
    for children in Path(f"/proc/{root}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # a thread that has ended meanwhile
            for number in children.read_text().split():
                yield from tree(int(number))


def _cpu_seconds(number: int) -> float:
    # The program's name, in parentheses, may hold spaces.
    user, system = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


def _bytes(rollup: str, key: str) -> int:
    return 1024 * int(re.search(rf"^{key}:\s+(\d+) kB", rollup, re.MULTILINE)[1])
