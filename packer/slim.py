"""The ladder: assemble a rung, replay in it, and go on only where the answers are the full environment's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nbslim.analyzer import Analysis, Installed
from nbslim.packer.distributions import total_bytes
from nbslim.packer.draft import Draft, Parts, lay_draft
from nbslim.packer.enclosure import enclose
from nbslim.packer.errors import AnswersChangedError
from nbslim.packer.image import ENVIRONMENT, Selection, assemble, record
from nbslim.packer.keep import Kept, for_gpu, name_of, wanted
from nbslim.packer.layout import DISTRIBUTIONS, MODEL, RUNTIME
from nbslim.packer.options import MODULES, PACKAGES, Goal
from nbslim.packer.reach import reached
from nbslim.packer.removed import write_removed
from nbslim.packer.replay import Expected, Replay, replay
from nbslim.packer.trace import Trace, traced
from nbslim.packer.try_without import Bench, Trial, harmless, slimmest
from nbslim.packer.widen import widened
from nbslim.packer.without import candidates, kept_modules

ROUNDS = 8
"""How many modules that static analysis did not see may be added, one a round, before slimming is given up."""


@dataclass(frozen=True)
class Rung:
    """A level that was assembled and replayed; `problem` says why it was rolled back."""

    level: str
    bytes: int
    replay: Replay

    @property
    def problem(self) -> str | None:
        """What went wrong, in a line; None: it holds."""
        return self.replay.problem

    def as_json(self) -> dict[str, object]:
        """Return it as a receipt tells it."""
        counted = {name: getattr(self.replay, name) for name in ("samples", "equal", "requests")}
        return {"level": self.level, "bytes": self.bytes, **counted, "problem": self.problem}


@dataclass(frozen=True)
class Ladder:
    """All that the rungs share."""

    parts: Parts
    installed: Installed
    tree: Path
    goal: Goal
    measure: Callable[[], Expected]
    """Gives what the full environment responds, perhaps after a while."""
    roots: frozenset[str]
    """Modules that the pickle names."""
    full: frozenset[str]
    """All modules of the full environment."""
    analyse: Callable[[frozenset[str]], Analysis]
    """Says which distributions serving needs, given modules that replay missed."""
    add_local: Callable[[str], bool]
    """Brings a module from beside the notebook into the bundle, if it is one."""

    @property
    def draft(self) -> Path:
        """Where the draft tree is assembled."""
        return self.tree.with_name("draft")


@dataclass(frozen=True)
class Drafted:
    """The draft in which replay holds, and what it reached."""

    draft: Draft
    analysis: Analysis
    replay: Replay
    trace: Trace
    keep: Kept
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Slimmed:
    """The lowest rung that holds, with all that were tried."""

    level: str
    drafted: Drafted
    ladder: tuple[Rung, ...]
    trials: tuple[Trial, ...] = ()
    left_out: tuple[str, ...] = ()
    """Distributions that serving requires by their metadata, and does without."""
    warnings: tuple[str, ...] = ()

    @property
    def replay(self) -> Replay:
        """The replay that proves it."""
        return self.ladder[-1].replay

    @property
    def cpu_only(self) -> bool:
        """Whether something that a GPU would need was left out."""
        return any(map(for_gpu, self.left_out))


def slim(ladder: Ladder) -> Slimmed:
    """Assemble the lowest rung that holds, of those that the goal allows, in the ladder's tree.

    Raises AnswersChangedError where no rung holds, or only one that the goal does not allow.
    """
    drafted = _draft(ladder)
    if ladder.goal.level == PACKAGES:
        return _packages(ladder, drafted)
    first = Rung(PACKAGES, drafted.draft.bytes(drafted.draft.files), drafted.replay)
    if not drafted.replay.samples:
        why = "no samples, and without them nothing shows what serving reaches; define samples = [...]"
        return _rolled_back(ladder, drafted, (), why)
    if not drafted.replay.requests:
        why = "the full environment responded to no request, and only responses show what serving one reaches"
        return _rolled_back(ladder, drafted, (), why)
    modules = _modules(ladder, drafted, first)
    if isinstance(modules, Slimmed):
        return modules
    return _rolled_back(ladder, drafted, (first, modules), modules.problem or "")


def _draft(ladder: Ladder) -> Drafted:
    """Assemble the draft until replay misses no module in it."""
    added: frozenset[str] = frozenset()
    warnings = list[str]()
    for _ in range(ROUNDS):
        analysis = ladder.analyse(added)
        names = {distribution.name for distribution in analysis.serving}
        draft = lay_draft(ladder.parts, names, ladder.draft)
        keep = wanted(draft, ladder.goal.keep, accelerator=ladder.goal.accelerator is not None)
        result, trace = traced(enclose(draft.tree), ENVIRONMENT, ladder.measure(), keep.modules)
        if result.holds and trace:
            return Drafted(draft, analysis, result, widened(draft, trace), keep, tuple(warnings))
        missing = result.missing_module
        owner = ladder.installed.owner(missing) if missing else None
        if missing and owner and owner not in names:
            added |= {missing}
            warnings.append(f"{owner} is kept because replay imports {missing}")
        elif missing and ladder.add_local(missing):
            warnings.append(f"{missing} is kept because replay imports it")
        else:
            break
    raise _changed(analysis, result)


def _modules(ladder: Ladder, drafted: Drafted, first: Rung) -> Slimmed | Rung:
    """Assemble what is reached, without what is optional. Returns the rung alone where it does not hold."""
    draft, trace = drafted.draft, drafted.trace
    roots = ladder.roots | set(drafted.keep.modules)

    def choose(without: frozenset[str]) -> frozenset[str]:
        return reached(draft, trace, kept_modules(trace, roots, without), keep=drafted.keep.files)

    def assembled(without: frozenset[str]) -> Replay:
        files = choose(without)
        chosen = Selection(files, trace.opened, cut=_cuttable(drafted, files))
        return _rung(ladder, drafted, MODULES, chosen, without).replay

    bench = Bench(
        draft, ladder.tree, choose, assembled, lambda without: _checked(ladder, drafted, MODULES, without)
    )
    outcome = slimmest(bench, candidates(draft, trace, roots))
    last = Rung(MODULES, total_bytes([ladder.tree]), outcome.replay)
    if not outcome.replay.holds:
        return last
    if any(not trial.holds for trial in outcome.trials):
        _tell_removed(ladder, drafted, MODULES, outcome.without)
        record(draft, ladder.tree)
        last = replace(last, bytes=total_bytes([ladder.tree]))
    left_out = _left_out(draft, outcome.files)
    return Slimmed(MODULES, drafted, (first, last), outcome.trials, left_out, drafted.warnings)


def _cuttable(drafted: Drafted, files: frozenset[str]) -> frozenset[str]:
    """Return the libraries of distributions that replay loads: that it does so again proves that nothing was lost."""
    return frozenset(path for path in files & drafted.trace.libraries if path.startswith("app/"))


def _packages(
    ladder: Ladder, drafted: Drafted, tried: Sequence[Rung] = (), why: Sequence[str] = ()
) -> Slimmed:
    """Assemble whole distributions; with their sources, where the answers are others without."""
    files, warnings = drafted.draft.files, [*drafted.warnings, *why]
    for sources in (frozenset[str](), files):
        rung = _rung(ladder, drafted, PACKAGES, Selection(files, sources))
        if rung.replay.holds:
            return Slimmed(PACKAGES, drafted, (*tried, rung), warnings=tuple(warnings))
        warnings.append(f"sources are kept: without them, {rung.problem}")
    raise _changed(drafted.analysis, rung.replay)


def _rolled_back(ladder: Ladder, drafted: Drafted, tried: Sequence[Rung], why: str) -> Slimmed:
    if ladder.goal.strict:
        message = f"{drafted.analysis.notebook}: level {ladder.goal.level} does not hold: {why}"
        raise AnswersChangedError(message, hint="nothing was tagged: --strict allows no safer level")
    return _packages(ladder, drafted, tried, [f"level {PACKAGES} instead of {ladder.goal.level}: {why}"])


def _rung(
    ladder: Ladder, drafted: Drafted, level: str, chosen: Selection, without: frozenset[str] = frozenset()
) -> Rung:
    assemble(ladder.parts, drafted.draft, chosen, ladder.tree)
    result = _checked(ladder, drafted, level, without)
    return Rung(level, total_bytes([ladder.tree]), result)


def _checked(ladder: Ladder, drafted: Drafted, level: str, without: frozenset[str]) -> Replay:
    """Replay in the tree, in which the modules `without` are left out."""
    _tell_removed(ladder, drafted, level, without)
    return replay(enclose(ladder.tree), ENVIRONMENT, ladder.measure())


def _tell_removed(ladder: Ladder, drafted: Drafted, level: str, without: frozenset[str]) -> None:
    known = harmless(drafted.trace, without)
    stdlib = drafted.draft.stdlib
    folders = (DISTRIBUTIONS, RUNTIME, stdlib, f"{stdlib}/lib-dynload", f"{MODEL}/modules")
    write_removed(ladder.tree, level, ladder.full, folders, known)


def _left_out(draft: Draft, files: frozenset[str]) -> tuple[str, ...]:
    """Return the distributions of which nothing is kept."""
    kept = {draft.owners[path] for path in files if path in draft.owners}
    infos = (info for info in draft.distributions if info.startswith(DISTRIBUTIONS) and info not in kept)
    return tuple(sorted(map(name_of, infos)))


def _changed(analysis: Analysis, result: Replay) -> AnswersChangedError:
    message = f"{analysis.notebook}: the answers changed: {result.problem}"
    return AnswersChangedError(message, hint="nothing was tagged; the notebook's own answers are the measure")
