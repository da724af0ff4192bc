"""Whether serving depends on a change that no pickle carries: on a library that it uses, a variable that it reads."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from nbslim.analyzer.evidence import Evidence
from nbslim.analyzer.graph import Change
from nbslim.analyzer.held import named
from nbslim.analyzer.hidden import EFFECTS, RANDOM, VARIABLES
from nbslim.analyzer.names import top_of
from nbslim.analyzer.outside import Outside
from nbslim.analyzer.types import Certainty

_EVERYWHERE = frozenset({"builtins", "codecs", "copyreg", "locale"})
"""Modules whose state counts for code that does not name them."""

_LIMITS = frozenset({"sys.setrecursionlimit", "sys.set_int_max_str_digits"})

_SEEDS = frozenset(
    {"manual_seed", "manual_seed_all", "seed", "seed_everything", "set_random_seed", "set_seed"}
)

Relevance = tuple[Certainty, "Evidence | None"]


@dataclass(frozen=True)
class Served:
    """What the walk has found so far, as far as changes may matter to it."""

    libraries: Mapping[str, Evidence]
    """First part of a module's name → the best evidence that serving uses it."""
    modules: Collection[str]
    """The whole names of all that serving imports."""
    variables: Mapping[str, Certainty]
    """Environment variables that code reads while it serves."""
    mentions: Mapping[str, Certainty]
    """Names after a dot that code reads while it serves, as far as changes may matter to them."""

    def relevance(self, change: Change) -> Relevance | None:
        """Return how sure it is that serving depends on `change`, with the evidence; None if it does not."""
        changed, top = change.changed, top_of(change.changed)
        last = changed.rpartition(".")[2]
        if changed.startswith(("os.environ", "os.putenv")):
            return self._of_variables(change)
        if changed.startswith("sys.path"):
            return None  # where modules are found is known, and they are carried
        if change.effect.kind == "import":
            return self._of_import(change.changed)
        if last in _SEEDS:
            return self._of_seed(top)
        said = [word for word in last.split("_") if word in self.libraries]
        if top not in self.libraries and said:
            top = said[0]  # `tqdm.pandas()` and `patch_sklearn()` say which library they change
        if evidence := self.libraries.get(top):
            sure = said or any(f"{changed}.".startswith(f"{module}.") for module in self.modules)
            return (evidence.certainty if sure else "possible"), evidence
        return ("certain", None) if top in _EVERYWHERE or changed in _LIMITS else None

    def _of_import(self, module: str) -> Relevance | None:
        """Return the relevance of an import that is there for what it does to another library."""
        library, attribute = EFFECTS[module]
        evidence = self.libraries.get(library)
        if evidence is None or (attribute is not None and attribute not in self.mentions):
            return None
        return (evidence.certainty if attribute is None else self.mentions[attribute]), evidence

    def _of_seed(self, top: str) -> Relevance | None:
        """Return the relevance of a seed: what draws from the generator must be there, and code that draws."""
        drawn = [certainty for name, certainty in self.mentions.items() if name in RANDOM]
        if top == "numpy" and "random" not in self.mentions and "numpy.random" not in self.modules:
            return None
        if not drawn or top not in self.libraries:
            return None
        return ("certain" if "certain" in drawn else "possible"), self.libraries[top]

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


def served_by(outside: Outside) -> Served:
    """Return what changes may matter to, of all that was found so far."""
    libraries: dict[str, Evidence] = {}
    for module, evidence in outside.reached_modules():
        known = libraries.get(top_of(module))
        if known is None or evidence.rank < known.rank:
            libraries[top_of(module)] = evidence
    read = [(name, found[0]) for (_, r, name), found in outside.resources.items() if r.kind == "variable"]
    mentions = [(m.name, step.certainty) for m, step in outside.mentions if m.function is not None]
    return Served(libraries, outside.imports.keys(), _surest(read), _surest(mentions))


def _surest(found: Iterable[tuple[str, Certainty]]) -> dict[str, Certainty]:
    """Return the certainty of each name: certain where one of several is."""
    return dict(sorted(found, key=lambda item: item[1], reverse=True))
