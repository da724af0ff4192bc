"""The walk over the def-use graph that finds all that serving reaches, with the evidence for each."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from nbslim.analyzer.changes import Served
from nbslim.analyzer.evidence import Evidence, Step, link
from nbslim.analyzer.graph import Change, Graph, Node
from nbslim.analyzer.held import all_named, files_named, named
from nbslim.analyzer.hidden import CHOICES, FUNCTIONS
from nbslim.analyzer.local import LocalModules, as_imported
from nbslim.analyzer.names import top_of
from nbslim.analyzer.statement import Body, Imported, Mention, Opaque, Resource, Statement
from nbslim.analyzer.types import Certainty, Link, NeededImport, Place

BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}

_SHELL = frozenset({"In", "Out", "display"})
"""Names that Jupyter has, and that are not there where the function is served."""

Provides = Callable[[str], "bool | None"]
"""Tells whether importing a module works; None where that is not known."""

Exported = Callable[[str, str], "bool | None"]
"""Tells whether a star import of a module brings a name; None where that is not known."""


@dataclass
class _Import:
    evidence: Evidence
    optional: bool
    function: Place | None


@dataclass
class Walk:
    """Breadth first, certain before possible, so that the first chains found are the shortest and the surest."""

    graph: Graph
    local: LocalModules
    provides: Provides
    exports: Exported
    imports: dict[str, _Import] = field(default_factory=dict)
    local_imports: dict[str, set[str]] = field(default_factory=dict)
    opaque: dict[tuple[Place, Opaque], Certainty] = field(default_factory=dict)
    resources: dict[tuple[Place, Resource, str], tuple[Certainty, Place | None]] = field(default_factory=dict)
    changes: dict[Change, Certainty] = field(default_factory=dict)
    undefined: dict[str, Place] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    mentions: list[tuple[Mention, Step]] = field(default_factory=list)
    _loaded: dict[str, Evidence] = field(default_factory=dict)
    _starred: set[str] = field(default_factory=set)
    _seen: dict[Node, Step] = field(default_factory=dict)
    _shared: set[Node] = field(default_factory=set)
    _queue: deque[Step] = field(default_factory=deque)
    _later: deque[Step] = field(default_factory=deque)

    def run(self, entries: Iterable[Node]) -> None:
        """Visit all that `entries` reach, and the changes on which that depends."""
        self._queue.extend(Step(node, "certain", 1) for node in entries)
        while self._queue or self._later:
            if not self._queue:
                self._queue, self._later = self._later, self._queue
            self._visit_all()
            self._add_changes()

    def _visit_all(self) -> None:
        while self._queue:
            step = self._queue.popleft()
            known = self._seen.get(step.node)
            if known is None:
                self._visit(step)
            elif known.certainty == step.certainty and known.depth == step.depth:
                known.before += [before for before in step.before if before not in known.before]

    def _visit(self, step: Step) -> None:
        happened = self._happened(step.node)
        if happened is False and step.node.previous is not None:
            self._again(step, step.node.previous, step.certainty)
        elif step.node.alternative and not happened and step.certainty == "certain":
            self._later.append(replace(step, certainty="possible"))
        else:
            self._seen[step.node] = step
            self.reached.add(step.node.name)
            self._expand(step, sure=bool(happened))

    def _happened(self, node: Node) -> bool | None:
        """Tell whether a binding that may not happen does, where that depends on which modules can be imported."""
        tried = [i for i in node.statement.imports if i.optional and i.bound == node.name and not i.level]
        if tried:
            works = self._can_import(i.module for i in tried)
            return None if works and node.statement.conditional else works
        works = self._can_import(node.statement.instead_of) if node.statement.instead_of else None
        return None if works is None else not works

    def _can_import(self, modules: Iterable[str]) -> bool | None:
        known = [self.provides(module) for module in modules]
        return False if False in known else None if None in known else True

    # What a node leads to

    def _expand(self, step: Step, *, sure: bool) -> None:
        node, statement = step.node, step.node.statement
        if node.previous is not None and not sure:
            self._again(step, node.previous, step.certainty if node.update else "possible")
        self._share(step)
        if not node.update:
            self._need(_bound_by(statement, node.name), step)
            self.mentions += [(mention, step) for mention in statement.mentions if not mention.called]
        code = statement.defines_code and not node.update
        self._follow_body(step, statement.body, step.certainty if code else "possible")
        if node.update or not self._is_plain(statement):
            self._follow_value(step, statement, "possible")
        for name in sorted(statement.bases):
            self._use(name, step, "possible" if node.update else step.certainty)

    def _share(self, step: Step) -> None:
        """Follow, once for all nodes that share objects, what changes these under any name."""
        group = self.graph.sharing.group(step.node)
        if group is not None and group not in self._shared:
            self._shared.add(group)
            for update in self.graph.sharing.updates(group):
                self._follow(update, "possible", step)

    def _is_plain(self, statement: Statement) -> bool:
        builtin = statement.plain_if_builtin
        return builtin is not None and not any(name in self.graph.final for name in builtin)

    def _follow_value(self, step: Step, statement: Statement, certainty: Certainty) -> None:
        self._need((i for i in statement.imports if i.bound is None and i.name != "*"), step, certainty)
        self._note(statement.opaque, step, step.node.uses, certainty)
        for name in sorted(statement.uses):
            self._use(name, step, certainty)
        for file in sorted(statement.files & step.node.uses.keys()):
            self._follow(step.node.uses[file], certainty, step)

    def _follow_body(self, step: Step, body: Body, certainty: Certainty) -> None:
        final = self.graph.final
        held = {name: final[name] for name in body.names if name in final}
        self._note(body.opaque, step, held, certainty)
        self._need(body.imports, step, certainty)
        self._reach_out(body.resources, step, certainty)
        # Only what is called while serving counts: what a library did for a value, the value itself shows.
        self.mentions += [(mention, replace(step, certainty=certainty)) for mention in body.mentions]
        for name in sorted(body.names | self._files(body)):
            if name in final and self.graph.stars and self._rebound(name, final[name]):
                self._from_stars(name, step, certainty)
            elif name in final and not (name in _SHELL and final[name].unbound):
                self._follow(final[name], certainty, step)
            elif name in _SHELL and name in body.names:
                opaque = Opaque(name, step.node.place.line, served=False)
                self.opaque.setdefault((step.node.place, opaque), certainty)
            elif name in body.names:
                self._unbound(name, step, certainty)

    def _files(self, body: Body) -> set[str]:
        """Return the files that functions name, by themselves or by names that hold one text."""
        final = self.graph.final
        texts = [text for r in body.resources if r.kind in ("file", "path") for text in r.texts]
        held = (final[name].statement.text for name in body.names if name in final and not final[name].update)
        return set(body.files) | files_named([*named(texts, final), *held])

    def _note(
        self, opaque: Iterable[Opaque], step: Step, held: Mapping[str, Node], certainty: Certainty
    ) -> None:
        """Remember what cannot be followed; a module's name that variables hold once and for all can."""
        for one in opaque:
            modules = all_named(one.texts, held)
            if modules:
                # One of several texts is the module's name; which of them only running tells.
                surest = certainty if len(modules) == len(one.texts) else "possible"
                self._need(map(one.importing, modules), step, surest)
            else:
                self.opaque.setdefault((Place(step.node.place.cell, one.line), one), certainty)

    def _reach_out(self, resources: Iterable[Resource], step: Step, certainty: Certainty) -> None:
        cell = step.node.place.cell
        for resource in resources:
            for name in named(resource.texts, self.graph.final):
                function = None if resource.function is None else Place(cell, resource.function)
                if resource.kind == "choice" and name in CHOICES:
                    chosen = Imported(CHOICES[name], resource.line, optional=True, function=resource.function)
                    self._need([chosen], step, certainty)
                known = (Place(cell, resource.line), resource, name)
                self.resources.setdefault(known, (certainty, function))

    def _use(self, name: str, step: Step, certainty: Certainty) -> None:
        if name in step.node.uses:
            self._follow(step.node.uses[name], certainty, step)
        elif name not in self.graph.final:
            self._unbound(name, step, certainty)

    def _follow(self, node: Node, certainty: Certainty, before: Step) -> None:
        queue = self._queue if certainty == "certain" or before.certainty == "possible" else self._later
        surest = certainty if before.certainty == "certain" else "possible"
        queue.append(Step(node, surest, before.depth + 1, [before]))

    def _again(self, step: Step, node: Node, certainty: Certainty) -> None:
        """Go on to what the same name stood for before; in the chain it would only stand twice."""
        earlier = Step(node, certainty, step.depth, step.before, step.head)
        if certainty == step.certainty:
            self._queue.appendleft(earlier)
        else:
            self._later.append(earlier)

    def _unbound(self, name: str, step: Step, certainty: Certainty) -> None:
        """Deal with a name that no cell binds: a builtin, or from a star import, or a mistake."""
        if name.startswith("__") and name.endswith("__"):
            return
        if name in BUILTINS:
            # `from numpy import *` brings another `sum`.
            certainty = "possible"
            if not (self.graph.stars and name.islower()):
                return
        if not self.graph.stars:
            self.undefined.setdefault(name, step.node.place)
        elif name not in self._starred:
            self._starred.add(name)
            self._from_stars(name, step, certainty)

    def _from_stars(self, name: str, step: Step, certainty: Certainty) -> None:
        """Follow the last star import that brings a name, and those after it of which that is not known."""
        alone = len(self.graph.stars) == 1
        for where, imported in reversed(self._star_imports):
            brings = self.exports(imported.module, name) if not imported.level else None
            if brings is not False:
                surest = certainty if brings or alone else "possible"
                self._import(imported, where.cell, Evidence.of(step, surest, Link(name, where)))
            if brings:
                return

    @cached_property
    def _star_imports(self) -> list[tuple[Place, Imported]]:
        return [
            (where, i) for where, statement in self.graph.stars for i in statement.imports if i.name == "*"
        ]

    def _rebound(self, name: str, node: Node) -> bool:
        """Tell whether a star import after the last binding of a name surely binds it again."""
        later = (i for where, i in self._star_imports if where > node.place and not i.level)
        return any(self.exports(imported.module, name) for imported in later)

    # Imports

    def _need(self, imports: Iterable[Imported], step: Step, certainty: Certainty | None = None) -> None:
        for imported in imports:
            links = link(step, imported.bound or imported.module, imported.line)
            evidence = Evidence.of(step, certainty or step.certainty, *links)
            self._import(imported, step.node.place.cell, evidence)

    def _import(self, imported: Imported, cell: int, evidence: Evidence) -> None:
        if not self._runs(imported):
            return
        files = self.local.files(imported)
        if not files and not imported.level:
            function = None if imported.function is None else Place(cell, imported.function)
            self._add(full_name(imported), _Import(evidence, imported.optional, function))
        for file in files:
            self._load(file, evidence)

    def _runs(self, imported: Imported) -> bool:
        """Tell whether an import in a function may run, from what its conditions depend on."""
        if imported.instead_of and self._can_import(imported.instead_of):
            return False
        for condition in imported.conditions:
            node = self.graph.final.get(condition.name)
            known = node and not (node.update or node.maybe) and node.statement.constant
            if known and not condition.met(known[0]):
                return False
        return True

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
                        self._add(full_name(imported), _Import(evidence.copy(), imported.optional, None))

    def _run_local(self, statement: Statement, evidence: Evidence) -> None:
        """Note what a statement of a local file reaches out for; its line is that of its import."""
        step = evidence.ways[0][0]
        self._reach_out((*statement.resources, *statement.body.resources), step, evidence.certainty)
        self._note(statement.body.opaque, step, {}, evidence.certainty)
        mentions = (*statement.mentions, *statement.body.mentions)
        self.mentions += [(mention, replace(step, certainty=evidence.certainty)) for mention in mentions]

    def _add(self, module: str, new: _Import) -> None:
        known = self.imports.get(module)
        if known is None:
            self.imports[module] = new
            return
        if known.evidence.certainty == new.evidence.certainty:
            # Whatever the function does, the other one is there before it; what one needs, it needs.
            known.function = known.function and new.function
        elif new.evidence.certainty == "certain":
            known.function = new.function
        known.optional = known.optional and new.optional
        known.evidence.join(new.evidence)

    # Changes of what no pickle carries

    def _add_changes(self) -> None:
        """Let the changes run on which what was found so far depends, as serving will run them."""
        waiting = [change for change in self.graph.changes if change not in self.changes]
        served = self._served() if waiting else None
        for change in waiting:
            if served and (found := served.relevance(change)):
                self.changes[change] = found[0]
                self._run_change(change, *found)

    def _served(self) -> Served:
        libraries: dict[str, Evidence] = {}
        for module, evidence in self._reached_modules():
            known = libraries.get(top_of(module))
            if known is None or evidence.rank < known.rank:
                libraries[top_of(module)] = evidence
        read = [(name, found[0]) for (_, r, name), found in self.resources.items() if r.kind == "variable"]
        # Sorted so that what is certain stays where a variable is read twice.
        variables = dict(sorted(read, key=lambda item: item[1], reverse=True))
        return Served(libraries, self.imports.keys(), variables, self._mentioned())

    def _reached_modules(self) -> Iterator[tuple[str, Evidence]]:
        yield from ((module, one.evidence) for module, one in self.imports.items())
        for file, evidence in self._loaded.items():
            for path in as_imported(file, self.local.roots):
                yield path.partition("/")[0].removesuffix(".py"), evidence

    def _run_change(self, change: Change, certainty: Certainty, evidence: Evidence | None) -> None:
        """Follow what making a change reads: nothing else of its statement, or of its function.

        That the changed thing is used is no proof that the change is.
        """
        head = evidence.chains()[0] if evidence else ()
        step = Step(change.node, certainty, len(head) + 1, head=head)
        statement, effect = change.node.statement, change.effect
        if effect.kind == "import":
            self._need((i for i in statement.imports if i.bound == effect.root), step)
        elif effect.replay:
            self._need((i for i in statement.imports if i.bound is None and i.name != "*"), step)
        for name in sorted(effect.names):
            node = change.node.uses.get(name) or self.graph.final.get(name)
            if node is None:
                self._unbound(name, step, "possible")
            else:
                self._follow(node, "possible", step)

    # Results

    def all_imports(self) -> Iterator[NeededImport]:
        """Yield what was found, and what it makes libraries import by themselves."""
        found = [_needed(module, one) for module, one in self.imports.items()]
        yield from found
        known = set(self.imports)
        for needed in self._hidden(found):
            if needed.module not in known:
                known.add(needed.module)
                yield needed

    def _hidden(self, found: Iterable[NeededImport]) -> Iterator[NeededImport]:
        libraries = {top_of(module) for module in self.imports}
        for mention, step in self.mentions:
            owner = self.graph.final.get(mention.owner or "")
            owned = {top_of(module) for module, _ in owner.imported} if owner else set()
            for library in sorted(FUNCTIONS.get(mention.name, {}).keys() & (owned & libraries or libraries)):
                if owned and library not in owned:
                    continue  # `plt.plot` is not pandas' method
                line = mention.function
                place = None if line is None else Place(step.node.place.cell, line)
                evidence = Evidence.of(step, step.certainty, *link(step, mention.name, mention.line))
                yield _needed(
                    FUNCTIONS[mention.name][library], _Import(evidence, optional=True, function=place)
                )
        for needed in found:
            library, _, name = needed.module.partition(".")
            if module := FUNCTIONS.get(name.rpartition(".")[2], {}).get(library):
                yield replace(needed, module=module, optional=True)

    def _mentioned(self) -> dict[str, Certainty]:
        """Return what functions name after a dot, certain where one certainly runs."""
        found = [(m.name, step.certainty) for m, step in self.mentions if m.function is not None]
        return dict(sorted(found, key=lambda item: item[1], reverse=True))


def _needed(module: str, one: _Import) -> NeededImport:
    chains = one.evidence.chains()
    return NeededImport(module, one.evidence.certainty, chains[0], one.optional, one.function, chains)


def full_name(imported: Imported) -> str:
    """Return module and name together: only the whole may tell which distribution a namespace package means."""
    return imported.module if imported.name in (None, "*") else f"{imported.module}.{imported.name}"


def _bound_by(statement: Statement, name: str) -> Iterator[Imported]:
    """Yield what importing under `name` loads; a dynamic import may be behind whatever the statement binds."""
    return (i for i in statement.imports if i.bound == name or (i.bound is None and i.name != "*"))
