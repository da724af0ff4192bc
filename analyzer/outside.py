"""What serving needs from outside of the cells: modules, local files, resources, and what cannot be told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from nbslim.analyzer.evidence import Evidence, Step, link
from nbslim.analyzer.graph import Graph, Node
from nbslim.analyzer.held import all_named, named
from nbslim.analyzer.hidden import CHOICES
from nbslim.analyzer.local import LocalModules, as_imported
from nbslim.analyzer.statement import Imported, Mention, Opaque, Resource, Statement, full_name
from nbslim.analyzer.types import Certainty, Place

Provides = Callable[[str], "bool | None"]
"""Tells whether importing a module works; None where that is not known."""


@dataclass
class ModuleNeed:
    """Why and where a module is imported."""

    evidence: Evidence
    optional: bool
    """Whether the code goes on where the import fails."""
    function: Place | None
    """The function that imports it, None if it is imported before any function is called."""

    def join(self, other: ModuleNeed) -> None:
        """Add another import of the same module."""
        if self.evidence.certainty == other.evidence.certainty:
            # Whatever the function does, the other one is there before it; what one needs, it needs.
            self.function = self.function and other.function
        elif other.evidence.certainty == "certain":
            self.function = other.function
        self.optional = self.optional and other.optional
        self.evidence.join(other.evidence)


@dataclass(eq=False)
class Outside:
    """All that was found so far, with the evidence for it; local files are followed as they come."""

    graph: Graph
    local: LocalModules
    provides: Provides
    imports: dict[str, ModuleNeed] = field(default_factory=dict)
    """Modules that do not lie beside the notebook, by their whole names."""
    local_imports: dict[str, set[str]] = field(default_factory=dict)
    """Local files, each with the modules and the local files that it imports."""
    opaque: dict[tuple[Place, Opaque], Certainty] = field(default_factory=dict)
    """Constructs that cannot be looked into."""
    resources: dict[tuple[Place, Resource, str], tuple[Certainty, Place | None]] = field(default_factory=dict)
    """Resources with their names, and the functions that reach out for them."""
    mentions: list[tuple[Mention, Step]] = field(default_factory=list)
    """Names that may make a library import something by itself."""
    _loaded: dict[str, Evidence] = field(default_factory=dict)

    def need(self, imports: Iterable[Imported], step: Step, certainty: Certainty | None = None) -> None:
        """Add what a step imports, by default as surely as the step is reached."""
        for imported in imports:
            links = link(step, imported.bound or imported.module, imported.line)
            evidence = Evidence.of(step, certainty or step.certainty, *links)
            self.bring(imported, step.node.place.cell, evidence)

    def bring(self, imported: Imported, cell: int, evidence: Evidence) -> None:
        """Add what an import in a cell brings, if it may run."""
        if not self._runs(imported):
            return
        files = self.local.files(imported)
        if not files and not imported.level:
            function = None if imported.function is None else Place(cell, imported.function)
            self._add(imported, evidence, function)
        for file in files:
            self._load(file, evidence)

    def _runs(self, imported: Imported) -> bool:
        """Tell whether an import in a function may run, from what its conditions depend on."""
        if imported.instead_of and self.can_import(imported.instead_of):
            return False
        for condition in imported.conditions:
            node = self.graph.final.get(condition.name)
            known = node and not (node.update or node.maybe) and node.statement.constant
            if known and not condition.met(known[0]):
                return False
        return True

    def can_import(self, modules: Iterable[str]) -> bool | None:
        """Tell whether all of several modules can be imported; None where that is not known."""
        known = [self.provides(module) for module in modules]
        return False if False in known else None if None in known else True

    def note(
        self, opaque: Iterable[Opaque], step: Step, held: Mapping[str, Node], certainty: Certainty
    ) -> None:
        """Add what cannot be followed; a module's name that variables hold once and for all can."""
        for one in opaque:
            modules = all_named(one.texts, held)
            if modules:
                # One of several texts is the module's name; which of them only running tells.
                surest = certainty if len(modules) == len(one.texts) else "possible"
                self.need(map(one.importing, modules), step, surest)
            else:
                self.opaque.setdefault((Place(step.node.place.cell, one.line), one), certainty)

    def reach_out(self, resources: Iterable[Resource], step: Step, certainty: Certainty) -> None:
        """Add what code of a step reaches out for."""
        cell = step.node.place.cell
        for resource in resources:
            for name in named(resource.texts, self.graph.final):
                function = None if resource.function is None else Place(cell, resource.function)
                if resource.kind == "choice" and name in CHOICES:
                    chosen = Imported(CHOICES[name], resource.line, optional=True, function=resource.function)
                    self.need([chosen], step, certainty)
                known = (Place(cell, resource.line), resource, name)
                self.resources.setdefault(known, (certainty, function))

    def _load(self, file: str, evidence: Evidence) -> None:
        """Follow a local file, once: its first chain is its shortest and surest."""
        waiting = [file]
        while waiting:
            file = waiting.pop()
            if file in self.local_imports:
                continue
            found = self.local_imports.setdefault(file, set())
            self._loaded[file] = evidence
            for statement in self.local.statements(file):
                self._run_local(statement.at(evidence.ways[0][0].node.place.line), evidence)
                for imported in (*statement.imports, *statement.body.imports):
                    files = self.local.files(imported, file)
                    found.update(files)
                    waiting += files
                    if not files and not imported.level:
                        found.add(full_name(imported))
                        self._add(imported, evidence.copy(), None)

    def _run_local(self, statement: Statement, evidence: Evidence) -> None:
        """Note what a statement of a local file reaches out for; its line is that of its import."""
        step = evidence.ways[0][0]
        self.reach_out((*statement.resources, *statement.body.resources), step, evidence.certainty)
        self.note(statement.body.opaque, step, {}, evidence.certainty)
        mentions = (*statement.mentions, *statement.body.mentions)
        self.mentions += [(mention, replace(step, certainty=evidence.certainty)) for mention in mentions]

    def _add(self, imported: Imported, evidence: Evidence, function: Place | None) -> None:
        need = ModuleNeed(evidence, imported.optional, function)
        known = self.imports.setdefault(full_name(imported), need)
        if known is not need:
            known.join(need)

    def reached_modules(self) -> Iterator[tuple[str, Evidence]]:
        """Yield all modules, local ones among them, with the evidence for each."""
        yield from ((module, one.evidence) for module, one in self.imports.items())
        for file, evidence in self._loaded.items():
            for path in as_imported(file, self.local.roots):
                yield path.partition("/")[0].removesuffix(".py"), evidence
