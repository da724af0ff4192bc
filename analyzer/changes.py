"""Whether serving depends on a change that no pickle carries: on a library that it uses, a variable that it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbslim.analyzer.evidence import Evidence
from nbslim.analyzer.graph import Change
from nbslim.analyzer.held import named
from nbslim.analyzer.hidden import VARIABLES
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.types import Certainty

_EVERYWHERE = frozenset({"builtins", "codecs", "copyreg", "decimal", "locale", "sys", "time", "warnings"})
"""Modules whose state counts for code that does not name them."""

_SEEDS = frozenset(
    {"manual_seed", "manual_seed_all", "seed", "seed_everything", "set_random_seed", "set_seed"}
)

Relevance = tuple[Certainty, "Evidence | None"]


@dataclass(frozen=True)
class Served:
    """What the walk has found so far, as far as changes may matter to it."""

    libraries: Mapping[str, Evidence]
    """First part of a module's name → the best evidence that serving uses it."""
    variables: Mapping[str, Certainty]
    """Environment variables that code reads while it serves."""
    draws: Certainty | None
    """Whether serving draws random numbers."""

    def relevance(self, change: Change) -> Relevance | None:
        """Return how sure it is that serving depends on `change`, with the evidence; None if it does not."""
        changed, top = change.changed, top_of(change.changed)
        words = changed.rpartition(".")[2].split("_")
        evidence = self.libraries.get(top)
        if changed.startswith(("os.environ", "os.putenv")):
            return self._of_variables(change)
        if changed.startswith("sys.path"):
            return None  # where modules are found is known, and they are carried
        if changed.rpartition(".")[2] in _SEEDS:
            return (self.draws, evidence) if self.draws and (evidence or top == "random") else None
        if evidence is None:
            # `tqdm.pandas()` and `patch_sklearn()` say which library they change.
            said = [self.libraries[word] for word in words if word in self.libraries]
            evidence = said[0] if said else None
        if evidence is not None:
            return evidence.certainty, evidence
        return ("certain", None) if top in _EVERYWHERE and is_standard(top) else None

    def _of_variables(self, change: Change) -> Relevance | None:
        """Return the relevance of a variable that code reads itself, or that a library is known to read."""
        found = [r for r in change.node.statement.resources if r.kind == "variable"]
        names = {name for resource in found for name in named(resource.texts, change.node.uses)}
        read = [self.variables[name] for name in names or self.variables if name in self.variables]
        if read:
            return ("certain" if "certain" in read else "possible"), None
        libraries = [library for name in sorted(names) for library in self._readers(name)]
        best = min((self.libraries[name] for name in libraries), key=lambda e: e.rank, default=None)
        return (best.certainty, best) if best else None

    def _readers(self, variable: str) -> list[str]:
        start = variable.partition("_")[0]
        return [name for name in self.libraries if name.upper() == start or name in VARIABLES.get(start, ())]
