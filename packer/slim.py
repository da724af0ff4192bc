"""Goes down the ladder: each level is assembled and replayed, and rolled back where an answer is another one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from nbslim.analyzer import Analysis
from nbslim.packer.distributions import versions_in
from nbslim.packer.draft import lay_draft
from nbslim.packer.enclosure import enclose
from nbslim.packer.errors import AnswersChangedError
from nbslim.packer.image import ENVIRONMENT, Selection
from nbslim.packer.keep import wanted
from nbslim.packer.ladder import Drafted, Ladder, Rung, Slimmed, assembled_rung
from nbslim.packer.layout import DISTRIBUTIONS, MODEL
from nbslim.packer.manifest import write_manifest
from nbslim.packer.modules import slim_to_modules
from nbslim.packer.options import PACKAGES
from nbslim.packer.replay import Replay
from nbslim.packer.trace import traced
from nbslim.packer.widen import widened

ROUNDS = 8
"""How many modules that static analysis did not see may be added, one a round, before slimming is given up."""


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
    modules = slim_to_modules(ladder, drafted, first)
    if isinstance(modules, Slimmed):
        return modules
    return _rolled_back(ladder, drafted, (first, modules), modules.problem or "")


def _draft(ladder: Ladder) -> Drafted:
    """Assemble the draft until replay misses no module in it."""
    added = _wanted_besides(ladder)
    warnings = list[str]()
    for _ in range(ROUNDS):
        analysis = ladder.analyse(added)
        names = {distribution.name for distribution in analysis.serving}
        with ladder.clock.step("draft"):
            draft = lay_draft(ladder.parts, names, ladder.draft)
            write_manifest(draft.tree / MODEL, ladder.about, versions_in(draft.tree / DISTRIBUTIONS))
            keep = wanted(draft, ladder.goal.keep, accelerator=ladder.goal.accelerator is not None)
        with ladder.clock.step("trace"):
            tree = enclose(draft.tree)
            result, trace = traced(tree, ENVIRONMENT, ladder.sent, ladder.measure, keep.modules)
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


def _wanted_besides(ladder: Ladder) -> frozenset[str]:
    """Return the modules that the user wants kept of distributions that serving does not need."""
    serving = {distribution.name for distribution in ladder.analyse(frozenset()).serving}
    named = {name for name in ladder.full for pattern in ladder.goal.keep if fnmatchcase(name, pattern)}
    owners = {name: ladder.installed.owner(name) for name in named}
    return frozenset(name for name, owner in owners.items() if owner and owner not in serving)


def _packages(
    ladder: Ladder, drafted: Drafted, tried: Sequence[Rung] = (), why: Sequence[str] = ()
) -> Slimmed:
    """Assemble whole distributions; with their sources, where the answers are others without."""
    files, warnings = drafted.draft.files, [*drafted.warnings, *why]
    for sources in (frozenset[str](), files):
        rung = assembled_rung(ladder, drafted, PACKAGES, Selection(files, sources))
        if rung.replay.holds:
            return Slimmed(PACKAGES, drafted, (*tried, rung), warnings=tuple(warnings))
        warnings.append(f"sources are kept: without them, {rung.problem}")
    raise _changed(drafted.analysis, rung.replay)


def _rolled_back(ladder: Ladder, drafted: Drafted, tried: Sequence[Rung], why: str) -> Slimmed:
    if ladder.goal.strict:
        message = f"{drafted.analysis.notebook}: level {ladder.goal.level} does not hold: {why}"
        raise AnswersChangedError(message, hint="nothing was tagged: --strict allows no safer level")
    return _packages(ladder, drafted, tried, [f"level {PACKAGES} instead of {ladder.goal.level}: {why}"])


def _changed(analysis: Analysis, result: Replay) -> AnswersChangedError:
    message = f"{analysis.notebook}: the answers changed: {result.problem}"
    return AnswersChangedError(message, hint="nothing was tagged; the notebook's own answers are the measure")
