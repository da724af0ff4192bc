"""Experiments in an assembled tree: leave out what is optional, replay, and keep the removal if every answer holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.draft import Draft
from nbslim.packer.image import put_back, take_out
from nbslim.packer.replay import Replay
from nbslim.packer.trace import Trace
from nbslim.packer.without import Candidate
from nbslim.packer.workspace import remove_tree

TRIALS = 6
"""So many experiments are made at most, the largest candidates first."""


@dataclass(frozen=True)
class Trial:
    """One experiment: what was left out, how many bytes that won, and why they were put back, if they were."""

    without: tuple[str, ...]
    bytes: int
    problem: str | None

    @property
    def holds(self) -> bool:
        """Whether the answers are the same without."""
        return self.problem is None


@dataclass(frozen=True)
class Bench:
    """Where experiments are made: `choose` says which files stay without some modules, `check` replays."""

    draft: Draft
    tree: Path
    choose: Callable[[frozenset[str]], frozenset[str]]
    check: Callable[[frozenset[str]], Replay]


@dataclass(frozen=True)
class Outcome:
    """What stays after all experiments: files and modules that are left out, with the last replay that held."""

    files: frozenset[str]
    without: frozenset[str]
    replay: Replay
    trials: tuple[Trial, ...]


def try_without(bench: Bench, found: Sequence[Candidate], files: frozenset[str], replay: Replay) -> Outcome:
    """Try without all candidates at once; where that changes an answer, without one after the other."""
    outcome = Outcome(files, frozenset(), replay, ())
    if not found:
        return outcome
    together = _tried(bench, outcome, found)
    if together.trials[-1].holds or len(found) == 1:
        return together
    outcome = together
    for candidate in found[: TRIALS - 1]:
        outcome = _tried(bench, outcome, [candidate])
    return outcome


def _tried(bench: Bench, before: Outcome, left_out: Sequence[Candidate]) -> Outcome:
    without = before.without.union(*(one.modules for one in left_out))
    files = bench.choose(without)
    gone, aside = before.files - files, bench.tree.with_name("aside")
    take_out(bench.tree, gone, aside)
    replay = bench.check(without)
    about = tuple(one.about for one in left_out)
    trial = Trial(about, bench.draft.bytes(gone), replay.problem)
    if replay.holds:
        remove_tree(aside)
        return Outcome(files, without, replay, (*before.trials, trial))
    put_back(bench.tree, aside)
    return Outcome(before.files, before.without, before.replay, (*before.trials, trial))


def harmless(trace: Trace, without: Collection[str]) -> Mapping[str, Collection[str]]:
    """Return modules that are not there, each with who asked for it in replay, and did without."""
    asked = {name: set(who) for name, who in trace.missed.items()}
    for importer, targets in trace.edges.items():
        for name in without:
            if name in targets and importer not in without:
                asked.setdefault(name, set()).add(importer)
    return asked
