"""The ladder: assemble a rung, replay every sample in it, and go on only where the answers are the notebook's own."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer import Installed
from nbslim.packer.errors import AnswersChangedError
from nbslim.packer.image import ENVIRONMENT, Parts, assemble
from nbslim.packer.replay import Replay, replay

ROUNDS = 8
"""How many modules that static analysis did not see may be added, one a round, before the rung is given up."""


@dataclass(frozen=True)
class Rung:
    """A level that holds: what was kept, and the replay that proves it."""

    level: str
    distributions: frozenset[str]
    replay: Replay
    warnings: tuple[str, ...]


def slim_to_packages(
    parts: Parts,
    serving: Collection[str],
    installed: Installed,
    tree: Path,
    *,
    add_local: Callable[[str], bool],
    name: str,
) -> Rung:
    """Assemble level `packages` in `tree`: whole distributions, only those that serving needs.

    Modules that replay misses are added, then sources are kept; `add_local` brings a module from beside the
    notebook into the bundle, if it is one. Raises AnswersChangedError where the answers stay different.
    """
    names, keep_sources = set(serving), False
    warnings: list[str] = []
    for _ in range(ROUNDS):
        enclosure = assemble(parts, names, tree, keep_sources=keep_sources)
        result = replay(enclosure, ENVIRONMENT)
        if result.holds:
            return Rung("packages", frozenset(names), result, tuple(warnings))
        owner = result.missing_module and installed.owner(result.missing_module)
        if owner and owner not in names:
            names |= {owner, *installed.required_by_all([owner])}
            warnings.append(f"{owner} is kept because replay imports {result.missing_module}")
        elif result.missing_module and add_local(result.missing_module):
            warnings.append(f"{result.missing_module} is kept because replay imports it")
        elif not keep_sources:
            keep_sources = True
            warnings.append(f"sources are kept: without them, {result.problem}")
        else:
            break
    message = f"{name}: the answers changed: {result.problem}"
    raise AnswersChangedError(message, hint="nothing was tagged; the notebook's own answers are the measure")
