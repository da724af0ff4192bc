"""Level `modules`: only the files that serving reaches, without what is optional."""

from __future__ import annotations

from dataclasses import replace

from nbslim.packer.distributions import total_bytes
from nbslim.packer.draft import SHARED, Draft
from nbslim.packer.image import Selection, record
from nbslim.packer.keep import name_of
from nbslim.packer.ladder import Drafted, Ladder, Rung, Slimmed, assembled_rung, describe, replayed
from nbslim.packer.layout import DISTRIBUTIONS
from nbslim.packer.options import MODULES
from nbslim.packer.reach import reached, shown
from nbslim.packer.replay import Replay
from nbslim.packer.trace import Trace
from nbslim.packer.try_without import Bench, Outcome, slimmest
from nbslim.packer.without import candidates, kept_modules


def slim_to_modules(ladder: Ladder, drafted: Drafted, first: Rung) -> Slimmed | Rung:
    """Assemble what is reached in the draft, the rung `first`, without what is optional.

    Returns the rung alone where it does not hold.
    """
    # A library that does not survive being cut is taken whole, and so are all others then.
    for cut in (True, False):
        bench = _bench(ladder, drafted, cut=cut)
        with ladder.clock.step("reach"):
            found = candidates(drafted.draft, drafted.trace, _roots(ladder, drafted))
        outcome = slimmest(bench, found)
        last = Rung(MODULES, total_bytes([ladder.tree]), outcome.replay)
        if last.replay.holds:
            return _finished(ladder, drafted, outcome, (first, last))
    return last


def _roots(ladder: Ladder, drafted: Drafted) -> frozenset[str]:
    """Return the modules that are needed whoever else imports them."""
    return ladder.roots.union(drafted.keep.modules)


def _bench(ladder: Ladder, drafted: Drafted, *, cut: bool) -> Bench:
    draft, trace, roots = drafted.draft, drafted.trace, _roots(ladder, drafted)

    def choose(without: frozenset[str]) -> frozenset[str]:
        with ladder.clock.step("reach"):
            return reached(draft, trace, kept_modules(trace, roots, without), keep=drafted.keep.files)

    def assemble(without: frozenset[str]) -> Replay:
        files = choose(without)
        short = _cuttable(trace, files) if cut else frozenset[str]()
        chosen = Selection(files, shown(draft, trace), short)
        return assembled_rung(ladder, drafted, MODULES, chosen, without).replay

    return Bench(
        draft, ladder.tree, choose, assemble, lambda without: replayed(ladder, drafted, MODULES, without)
    )


def _cuttable(trace: Trace, files: frozenset[str]) -> frozenset[str]:
    """Return the libraries of distributions that replay loads: that it does so again proves that nothing was lost."""
    return frozenset(
        path for path in files & trace.libraries if path.startswith("app/") and SHARED.search(path)
    )


def _finished(ladder: Ladder, drafted: Drafted, outcome: Outcome, rungs: tuple[Rung, Rung]) -> Slimmed:
    """Make the tree's own notes true again where an experiment failed in it."""
    draft, (first, last) = drafted.draft, rungs
    if any(not trial.holds for trial in outcome.trials):
        describe(ladder, drafted, MODULES, outcome.without)
        record(draft, ladder.tree)
        last = replace(last, bytes=total_bytes([ladder.tree]))
    left_out = _left_out(draft, outcome.files)
    return Slimmed(MODULES, drafted, (first, last), outcome.trials, left_out, drafted.warnings)


def _left_out(draft: Draft, files: frozenset[str]) -> tuple[str, ...]:
    """Return the distributions of which nothing is kept."""
    kept = {draft.owners[path] for path in files if path in draft.owners}
    infos = (info for info in draft.distributions if info.startswith(DISTRIBUTIONS) and info not in kept)
    return tuple(sorted(map(name_of, infos)))
