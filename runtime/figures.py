"""Counters that all processes of a service add to, in memory that they share."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Mapping

_RECORD = 128
"""Bytes: a float, the length of the key, the key."""
_KEY = _RECORD - 10
_RECORDS = 512
_LABELS = 150
"""So many labels a metric has at most."""
_FLOATS = _RECORD // 8
_PROCESS = _RECORD * _RECORDS
OTHERS = "(others)"
"""The label of what came when there was no room for more labels."""

Key = tuple[str, str]
"""The name of a metric and the value of its label."""


class Figures:
    """Named numbers of each process; a process only ever writes its own, so that nobody waits for anybody.

    The first record of a process holds how many there are, and how many connections the process has. A number is
    written as one word of memory: who reads it meanwhile, or after the process was killed, finds the old one or the
    new one.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._memory = mmap.mmap(-1, processes * _PROCESS)
        self._floats = memoryview(self._memory).cast("d")
        self._lock = threading.Lock()
        self.own(0)

    def own(self, process: int) -> None:
        """Write as the process of this number from now on, and go on from what its predecessor counted."""
        self._first = process * _RECORDS
        self._places = {key: place * _FLOATS for key, place in self._keys(process).items()}
        self._lock = threading.Lock()  # in a forked process, nobody would release the old one

    def place(self, name: str, label: str = "") -> int:
        """Return where a number is, for `add_at`; a label for which there is no room shares a place with others."""
        found = self._places.get((name, label))
        return self._new((name, label)) if found is None else found

    def add_at(self, place: int, amount: float) -> None:
        """Add to the number at a place."""
        with self._lock:
            self._floats[place] += amount

    def add(self, name: str, label: str = "", amount: float = 1) -> None:
        """Add to a number."""
        self.add_at(self.place(name, label), amount)

    def set(self, name: str, value: float, label: str = "") -> None:
        """Set a number of this process."""
        self._floats[self.place(name, label)] = value

    def note_connections(self, count: int) -> None:
        """Note how many connections this process has."""
        self._floats[self._first * _FLOATS + 1] = count

    def is_ahead(self) -> bool:
        """Return whether another of the forked processes has fewer connections than this one, by more than one."""
        if not self._first:
            return False
        counts = [self._floats[process * _RECORDS * _FLOATS + 1] for process in range(1, self._processes)]
        return self._floats[self._first * _FLOATS + 1] > min(counts) + 1

    def collect(self) -> Mapping[Key, tuple[float, ...]]:
        """Return the numbers of all processes, by metric and label."""
        found: dict[Key, list[float]] = {}
        for process in range(self._processes):
            for key, place in self._keys(process).items():
                found.setdefault(key, []).append(self._floats[place * _FLOATS])
        return {key: tuple(values) for key, values in found.items()}

    def _new(self, key: Key) -> int:
        written = "\0".join(key).encode("utf-8", "backslashreplace")
        full = sum(name == key[0] for name, _ in self._places) >= _LABELS
        if (full and key[1] != OTHERS) or len(written) > _KEY:
            return self.place(key[0], OTHERS)
        with self._lock:
            if key in self._places:  # another thread was first
                return self._places[key]
            count = int(self._floats[self._first * _FLOATS])
            place = self._first + 1 + count
            start = place * _RECORD + 8
            self._memory[start : start + 2 + len(written)] = len(written).to_bytes(2, "little") + written
            self._floats[self._first * _FLOATS] = count + 1
            self._places[key] = place * _FLOATS
            return place * _FLOATS

    def _keys(self, process: int) -> dict[Key, int]:
        first = process * _RECORDS
        count = int(self._floats[first * _FLOATS])
        return {self._key(place): place for place in range(first + 1, first + 1 + count)}

    def _key(self, place: int) -> Key:
        start = place * _RECORD + 10
        length = int.from_bytes(self._memory[start - 2 : start], "little")
        name, _, label = self._memory[start : start + length].decode().partition("\0")
        return name, label
