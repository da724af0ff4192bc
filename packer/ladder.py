"""What the rungs of the ladder share, and how one is assembled and replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer import Analysis, Installed
from nbslim.packer.distributions import total_bytes, versions_in
from nbslim.packer.draft import Draft, Parts
from nbslim.packer.enclosure import enclose
from nbslim.packer.exchanges import Exchange
from nbslim.packer.image import ENVIRONMENT, Selection, assemble
from nbslim.packer.keep import Kept, for_gpu
from nbslim.packer.layout import DISTRIBUTIONS, MODEL, RUNTIME
from nbslim.packer.manifest import About, write_manifest
from nbslim.packer.options import Goal
from nbslim.packer.receipt import Clock
from nbslim.packer.removed import write_removed
from nbslim.packer.replay import Expected, Replay, replay
from nbslim.packer.trace import Trace
from nbslim.packer.try_without import Trial, harmless


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
    clock: Clock
    sent: tuple[Exchange, ...]
    """Requests made from the samples."""
    measure: Callable[[], Expected]
    """Gives what the full environment responds to them, perhaps after a while."""
    roots: frozenset[str]
    """Modules that the pickle names."""
    full: frozenset[str]
    """All modules of the full environment."""
    analyse: Callable[[frozenset[str]], Analysis]
    """Says which distributions serving needs, given modules that replay missed."""
    add_local: Callable[[str], bool]
    """Brings a module from beside the notebook into the bundle, if it is one."""
    about: About
    """What the bundle's manifest says of the notebook."""

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


def assembled_rung(
    ladder: Ladder, drafted: Drafted, level: str, chosen: Selection, without: frozenset[str] = frozenset()
) -> Rung:
    """Assemble the chosen files in the ladder's tree, in which the modules `without` are left out, and replay."""
    with ladder.clock.step("assemble"):
        assemble(ladder.parts, drafted.draft, chosen, ladder.tree)
    result = replayed(ladder, drafted, level, without)
    return Rung(level, total_bytes([ladder.tree]), result)


def replayed(ladder: Ladder, drafted: Drafted, level: str, without: frozenset[str]) -> Replay:
    """Replay in the tree, in which the modules `without` are left out."""
    describe(ladder, drafted, level, without)
    with ladder.clock.step("replay"):
        return replay(enclose(ladder.tree), ENVIRONMENT, ladder.measure())


def describe(ladder: Ladder, drafted: Drafted, level: str, without: frozenset[str]) -> None:
    """Tell the runtime in the tree what is in it, and which modules are not."""
    known = harmless(drafted.trace, without)
    stdlib = drafted.draft.stdlib
    folders = (DISTRIBUTIONS, RUNTIME, stdlib, f"{stdlib}/lib-dynload", f"{MODEL}/modules")
    write_removed(ladder.tree, level, ladder.full, folders, known)
    write_manifest(ladder.tree / MODEL, ladder.about, versions_in(ladder.tree / DISTRIBUTIONS), level)
