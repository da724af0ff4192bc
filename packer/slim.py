"""The ladder: assemble a rung, replay every sample in it, and go on only where the answers are the notebook's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer import Analysis, Installed
from nbslim.packer.errors import AnswersChangedError
from nbslim.packer.image import ENVIRONMENT, Parts, assemble
from nbslim.packer.replay import Replay, replay

ROUNDS = 8
"""How many modules that static analysis did not see may be added, one a round, before the rung is given up."""


@dataclass(frozen=True)
class Rung:
    """A level that holds: what was kept, and the replay that proves it."""

    level: str
    analysis: Analysis
    replay: Replay
    warnings: tuple[str, ...]


def slim_to_packages(
    parts: Parts,
    installed: Installed,
    tree: Path,
    *,
    analyse: Callable[[frozenset[str]], Analysis],
    add_local: Callable[[str], bool],
) -> Rung:
    """Assemble level `packages` in `tree`: whole distributions, only those that serving needs.

    `analyse` says which they are, given modules that replay missed; after those, sources are kept, too. `add_local`
    brings a module from beside the notebook into the bundle, if it is one. Raises AnswersChangedError where the
    answers stay different.
    """
    added: frozenset[str] = frozenset()
    keep_sources, warnings = False, list[str]()
    for _ in range(ROUNDS):
        analysis = analyse(added)
        names = {distribution.name for distribution in analysis.serving}
        result = replay(assemble(parts, names, tree, keep_sources=keep_sources), ENVIRONMENT)
        if result.holds:
            return Rung("packages", analysis, result, tuple(warnings))
        missing = result.missing_module
        owner = installed.owner(missing) if missing else None
        if missing and owner and owner not in names:
            added |= {missing}
            warnings.append(f"{owner} is kept because replay imports {missing}")
        elif missing and add_local(missing):
            warnings.append(f"{missing} is kept because replay imports it")
        elif not keep_sources:
            keep_sources = True
            warnings.append(f"sources are kept: without them, {result.problem}")
        else:
            break
    message = f"{analysis.notebook}: the answers changed: {result.problem}"
    raise AnswersChangedError(message, hint="nothing was tagged; the notebook's own answers are the measure")
