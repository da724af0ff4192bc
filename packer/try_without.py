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
    """Where experiments are made: each function gets the modules that are left out."""

    draft: Draft
    tree: Path
    choose: Callable[[frozenset[str]], frozenset[str]]
    """Says which files of the draft stay."""
    assemble: Callable[[frozenset[str]], Replay]
    """Assembles the tree anew, and replays in it."""
    check: Callable[[frozenset[str]], Replay]
    """Replays in the tree as it is."""


@dataclass(frozen=True)
class Outcome:
    """What stays after all experiments: files, and modules that are left out, with the last replay that held."""

    files: frozenset[str]
    without: frozenset[str]
    replay: Replay
    trials: tuple[Trial, ...]


def slimmest(bench: Bench, found: Sequence[Candidate]) -> Outcome:
    """Assemble the tree without all candidates; where that changes an answer, take out one after the other.

    The outcome's replay does not hold where it does not even with all of them.
    """
    none = frozenset[str]()
    everything, trials = bench.choose(none), tuple[Trial, ...]()
    if found:
        without = none.union(*(one.modules for one in found))
        files, replay = bench.choose(without), bench.assemble(without)
        size = bench.draft.bytes(everything - files)
        trials = (Trial(tuple(one.about for one in found), size, replay.problem),)
        if replay.holds:
            return Outcome(files, without, replay, trials)
    outcome = Outcome(everything, none, bench.assemble(none), trials)
    for candidate in found[: TRIALS - 1] if outcome.replay.holds and len(found) > 1 else ():
        outcome = _tried(bench, outcome, candidate)
    return outcome


def _tried(bench: Bench, before: Outcome, candidate: Candidate) -> Outcome:
    """Take the candidate out of the tree, and put it back where that changes an answer."""
    without = before.without | candidate.modules
    files, aside = bench.choose(without), bench.tree.with_name("aside")
    take_out(bench.tree, before.files - files, aside)
    replay = bench.check(without)
    trial = Trial((candidate.about,), bench.draft.bytes(before.files - files), replay.problem)
    if not replay.holds:
        put_back(bench.tree, aside)
    remove_tree(aside)
    if replay.holds:
        return Outcome(files, without, replay, (*before.trials, trial))
    return Outcome(before.files, before.without, before.replay, (*before.trials, trial))


def harmless(trace: Trace, without: Collection[str]) -> Mapping[str, Collection[str]]:
    """Return modules that are not there, each with who asked for it in replay, and did without."""
    asked = {name: set(who) for name, who in trace.missed.items()}
    for importer, targets in trace.edges.items():
        for name in without:
            if name in targets and importer not in without:
                asked.setdefault(name, set()).add(importer)
    return asked
