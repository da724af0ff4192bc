"""The walk over the def-use graph that finds all that serving reaches, with the evidence for each."""

from __future__ import annotations

import builtins
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from nbslim.analyzer.changes import served_by
from nbslim.analyzer.constants import files_named
from nbslim.analyzer.evidence import Evidence, Step
from nbslim.analyzer.graph import Change, Graph, Node
from nbslim.analyzer.held import named
from nbslim.analyzer.outside import Outside
from nbslim.analyzer.stars import StarImports
from nbslim.analyzer.statement import Body, Imported, Opaque, Statement
from nbslim.analyzer.types import Certainty, Link, Place

BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}

_SHELL = frozenset({"In", "Out", "display"})
"""Names that Jupyter has, and that are not there where the function is served."""


@dataclass
class Walk:
    """Breadth first, certain before possible, so that the first chains found are the shortest and the surest."""

    graph: Graph
    stars: StarImports
    outside: Outside
    """What was found outside of the cells."""
    changes: dict[Change, Certainty] = field(default_factory=dict)
    """Changes on which serving depends."""
    undefined: dict[str, Place] = field(default_factory=dict)
    """Names that are used and that nothing binds, with where each is used first."""
    reached: set[str] = field(default_factory=set)
    """Names of all nodes that were visited."""
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
            works = self.outside.can_import(i.module for i in tried)
            return None if works and node.statement.conditional else works
        works = self.outside.can_import(node.statement.instead_of) if node.statement.instead_of else None
        return None if works is None else not works

    # What a node leads to

    def _expand(self, step: Step, *, sure: bool) -> None:
        node, statement = step.node, step.node.statement
        if node.previous is not None and not sure:
            self._again(step, node.previous, step.certainty if node.update else "possible")
        self._share(step)
        if not node.update:
            self.outside.need(_bound_by(statement, node.name), step)
            self.outside.mentions += [(mention, step) for mention in statement.mentions if not mention.called]
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
        self.outside.need(
            (i for i in statement.imports if i.bound is None and i.name != "*"), step, certainty
        )
        self.outside.note(statement.opaque, step, step.node.uses, certainty)
        for name in sorted(statement.uses):
            self._use(name, step, certainty)
        for file in sorted(statement.files & step.node.uses.keys()):
            self._follow(step.node.uses[file], certainty, step)

    def _follow_body(self, step: Step, body: Body, certainty: Certainty) -> None:
        final = self.graph.final
        held = {name: final[name] for name in body.names if name in final}
        self.outside.note(body.opaque, step, held, certainty)
        self.outside.need(body.imports, step, certainty)
        self.outside.reach_out(body.resources, step, certainty)
        # Only what is called while serving counts: what a library did for a value, the value itself shows.
        self.outside.mentions += [(mention, replace(step, certainty=certainty)) for mention in body.mentions]
        for name in sorted(body.names | self._files(body)):
            if name in final and self.stars and self.stars.rebinds(name, final[name]):
                self._from_stars(name, step, certainty)
            elif name in final and not (name in _SHELL and final[name].unbound):
                self._follow(final[name], certainty, step)
            elif name in _SHELL and name in body.names:
                opaque = Opaque(name, step.node.place.line, served=False)
                self.outside.opaque.setdefault((step.node.place, opaque), certainty)
            elif name in body.names:
                self._unbound(name, step, certainty)

    def _files(self, body: Body) -> set[str]:
        """Return the files that functions name, by themselves or by names that hold one text."""
        final = self.graph.final
        texts = [text for r in body.resources if r.kind in ("file", "path") for text in r.texts]
        held = (final[name].statement.text for name in body.names if name in final and not final[name].update)
        return set(body.files) | files_named([*named(texts, final), *held])

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
            if not (self.stars and name.islower()):
                return
        if not self.stars:
            self.undefined.setdefault(name, step.node.place)
        elif name not in self._starred:
            self._starred.add(name)
            self._from_stars(name, step, certainty)

    def _from_stars(self, name: str, step: Step, certainty: Certainty) -> None:
        """Follow the last star import that brings a name, and those after it of which that is not known."""
        for where, imported, sure in self.stars.bringing(name):
            evidence = Evidence.of(step, certainty if sure else "possible", Link(name, where))
            self.outside.bring(imported, where.cell, evidence)

    # Changes of what no pickle carries

    def _add_changes(self) -> None:
        """Let the changes run on which what was found so far depends, as serving will run them."""
        waiting = [change for change in self.graph.changes if change not in self.changes]
        served = served_by(self.outside) if waiting else None
        for change in waiting:
            if served and (found := served.relevance(change)):
                self.changes[change] = found[0]
                self._run_change(change, *found)

    def _run_change(self, change: Change, certainty: Certainty, evidence: Evidence | None) -> None:
        """Follow what making a change reads: nothing else of its statement, or of its function.

        That the changed thing is used is no proof that the change is.
        """
        head = evidence.chains()[0] if evidence else ()
        step = Step(change.node, certainty, len(head) + 1, head=head)
        statement, effect = change.node.statement, change.effect
        if effect.kind == "import":
            self.outside.need((i for i in statement.imports if i.bound == effect.root), step)
        elif effect.replay:
            self.outside.need((i for i in statement.imports if i.bound is None and i.name != "*"), step)
        for name in sorted(effect.names):
            node = change.node.uses.get(name) or self.graph.final.get(name)
            if node is None:
                self._unbound(name, step, "possible")
            else:
                self._follow(node, "possible", step)


def _bound_by(statement: Statement, name: str) -> Iterator[Imported]:
    """Yield what importing under `name` loads; a dynamic import may be behind whatever the statement binds."""
    return (i for i in statement.imports if i.bound == name or (i.bound is None and i.name != "*"))
