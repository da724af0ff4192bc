"""All that serving can reach from the entry points: a walk over the def-use graph that keeps its evidence."""

from __future__ import annotations

import builtins
import difflib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.graph import Graph, Node, build_graph
from nbslim.analyzer.hidden import FUNCTIONS
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.names import top_of
from nbslim.analyzer.program import Broken, read_program
from nbslim.analyzer.statement import Body, Imported, Mention, Opaque, Statement
from nbslim.analyzer.types import Certainty, Closure, Link, NeededImport, Notebook, Place

ENTRIES = ("predictor", "validator")
_BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}

Chain = tuple[Link, ...]


def find_closure(notebook: Notebook, *, entries: Sequence[str] = ENTRIES) -> Closure:
    """Return what is reachable from `entries`; the first must be there, the others may.

    Raises NotebookError for a missing entry point, and for a syntax error in a cell that serving needs.
    """
    program = read_program(notebook)
    graph = build_graph(program.statements)
    if entries[0] not in graph.final:
        raise _missing(notebook, entries[0], graph, program.broken)
    walk = _Walk(graph, program.local)
    points = {name: graph.final[name] for name in entries if name in graph.final}
    walk.run(points.values())
    _check_broken(walk, program.broken)
    _check_served(notebook, walk)
    return Closure(
        entry_points={name: node.place for name, node in points.items()},
        imports=tuple(sorted(walk.all_imports(), key=lambda needed: needed.module)),
        local_files=tuple(sorted(walk.local_imports)),
        warnings=(*map(str, program.broken), *_warnings(notebook, walk)),
        local_imports={file: tuple(sorted(found)) for file, found in sorted(walk.local_imports.items())},
    )


def imported_modules(notebook: Notebook) -> frozenset[str]:
    """Return the dotted names of all that any cell imports, reachable or not, local modules left out."""
    program = read_program(notebook)
    return frozenset(_full_name(i) for i in program.imports if not i.level and not program.local.files(i))


@dataclass(frozen=True, eq=False)
class _Step:
    """A node as the walk came to it; `before` leads back to the entry point."""

    node: Node
    certainty: Certainty
    before: _Step | None = None

    def chain(self, *more: Link) -> Chain:
        links = list(reversed(more))
        step: _Step | None = self
        while step:
            links.append(Link(step.node.name, step.node.place))
            step = step.before
        return tuple(reversed(links))


@dataclass
class _Walk:
    """Breadth first, certain before possible, so that the first chain found is the shortest and the surest."""

    graph: Graph
    local: LocalModules
    imports: dict[str, NeededImport] = field(default_factory=dict)
    local_imports: dict[str, set[str]] = field(default_factory=dict)
    opaque: list[tuple[Place, Opaque, Certainty]] = field(default_factory=list)
    undefined: dict[str, Place] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    _mentions: list[tuple[Mention, _Step]] = field(default_factory=list)
    _starred: bool = False
    _seen: set[int] = field(default_factory=set)
    _queue: deque[_Step] = field(default_factory=deque)
    _later: deque[_Step] = field(default_factory=deque)

    def run(self, entries: Iterable[Node]) -> None:
        """Visit all that `entries` reach."""
        self._queue.extend(_Step(node, "certain") for node in entries)
        while self._queue or self._later:
            if not self._queue:
                self._queue, self._later = self._later, self._queue
            step = self._queue.popleft()
            if step.node.alternative and step.certainty == "certain":
                self._later.append(replace(step, certainty="possible"))
            elif id(step.node) not in self._seen:
                self._seen.add(id(step.node))
                self.reached.add(step.node.name)
                self._expand(step)

    def all_imports(self) -> Iterator[NeededImport]:
        """Yield what was found, and what it makes libraries import by themselves."""
        yield from self.imports.values()
        known = set(self.imports)
        for needed in self._hidden():
            if needed.module not in known:
                known.add(needed.module)
                yield needed

    def _hidden(self) -> Iterator[NeededImport]:
        libraries = {top_of(module) for module in self.imports}
        for mention, step in self._mentions:
            for library in sorted(FUNCTIONS[mention.name].keys() & libraries):
                cell, hidden = step.node.place.cell, FUNCTIONS[mention.name][library]
                chain = step.chain(Link(mention.name, Place(cell, mention.line)))
                function = Place(cell, mention.function)
                yield NeededImport(hidden, step.certainty, chain, optional=True, function=function)
        for needed in self.imports.values():
            library, _, name = needed.module.partition(".")
            if module := FUNCTIONS.get(name.rpartition(".")[2], {}).get(library):
                yield replace(needed, module=module, optional=True)

    def _expand(self, step: _Step) -> None:
        node, statement = step.node, step.node.statement
        if node.previous is not None:
            # The name is the same; in the chain it would only stand twice.
            certainty = step.certainty if node.update else "possible"
            self._follow(node.previous, certainty, step.before)
        if not node.update:
            self._need(_bound_by(statement, node.name), step)
        code = statement.defines_code and not node.update
        self._follow_body(step if code else replace(step, certainty="possible"), statement.body)
        if node.update or not self._is_plain(statement):
            self._follow_value(step, statement)
        for name in sorted(statement.bases):
            self._use(name, step, step.certainty)

    def _is_plain(self, statement: Statement) -> bool:
        builtin = statement.plain_if_builtin
        return builtin is not None and not any(name in self.graph.final for name in builtin)

    def _follow_value(self, step: _Step, statement: Statement) -> None:
        step = replace(step, certainty="possible")
        named = [i for i in statement.imports if i.bound is None and i.name != "*"]
        self._need(named, step)
        self._note(statement.opaque, step, step.node.uses)
        for name in sorted(statement.uses):
            self._use(name, step, "possible")
        for file in sorted(statement.files & step.node.uses.keys()):
            self._follow(step.node.uses[file], "possible", step)

    def _follow_body(self, step: _Step, body: Body) -> None:
        held = {name: self.graph.final[name] for name in body.names if name in self.graph.final}
        self._note(body.opaque, step, held)
        self._need(body.imports, step)
        # Only what is called while serving counts: what a library did for a value, the value itself shows.
        self._mentions += [(mention, step) for mention in body.mentions]
        for name in sorted(body.names | body.files):
            if name in self.graph.final:
                self._follow(self.graph.final[name], step.certainty, step)
            elif name in body.names:
                self._unbound(name, step)

    def _note(self, opaque: Iterable[Opaque], step: _Step, held: Mapping[str, Node | None]) -> None:
        """Remember what cannot be followed; a module's name that a variable holds once and for all can."""
        for one in opaque:
            node = held.get(one.variable or "")
            text = node.statement.text if node and not node.update and not node.previous else None
            if text is None:
                self.opaque.append((Place(step.node.place.cell, one.line), one, step.certainty))
            else:
                self._need([one.importing(text)], step)

    def _use(self, name: str, step: _Step, certainty: Certainty) -> None:
        if name in step.node.uses:
            self._follow(step.node.uses[name], certainty, step)
        elif name not in self.graph.final:
            self._unbound(name, replace(step, certainty=certainty))

    def _follow(self, node: Node, certainty: Certainty, before: _Step | None) -> None:
        queue = self._queue if certainty == "certain" else self._later
        queue.append(_Step(node, certainty, before))

    def _unbound(self, name: str, step: _Step) -> None:
        """Deal with a name that no cell binds: a builtin, or from a star import, or a mistake."""
        if name in _BUILTINS or (name.startswith("__") and name.endswith("__")):
            return
        if not self.graph.stars:
            self.undefined.setdefault(name, step.node.place)
        if self._starred:
            return  # all of them are known, with the shortest chain
        self._starred = True
        surest: Certainty = step.certainty if len(self.graph.stars) == 1 else "possible"
        for where, statement in self.graph.stars:
            for imported in statement.imports:
                if imported.name == "*":
                    self._import(imported, where.cell, surest, step.chain(Link(name, where)))

    def _need(self, imports: Iterable[Imported], step: _Step) -> None:
        node = step.node
        for imported in imports:
            where = Place(node.place.cell, imported.line)
            links = [] if node.place == where else [Link(imported.bound or imported.module, where)]
            self._import(imported, node.place.cell, step.certainty, step.chain(*links))

    def _import(self, imported: Imported, cell: int, certainty: Certainty, chain: Chain) -> None:
        files = self.local.files(imported)
        if not files and not imported.level:
            function = None if imported.function is None else Place(cell, imported.function)
            needed = NeededImport(_full_name(imported), certainty, chain, imported.optional, function)
            self._add(needed)
        for file in files:
            self._load(file, certainty, chain)

    def _load(self, file: str, certainty: Certainty, chain: Chain) -> None:
        """Follow a local file, once: its first chain is its shortest and surest."""
        if file in self.local_imports:
            return
        found = self.local_imports.setdefault(file, set())
        for imported in self.local.imports(file):
            files = self.local.files(imported, file)
            found.update(files)
            if not files and not imported.level:
                found.add(_full_name(imported))
                self._add(NeededImport(_full_name(imported), certainty, chain, imported.optional))
            for other in files:
                self._load(other, certainty, chain)

    def _add(self, needed: NeededImport) -> None:
        known = self.imports.get(needed.module)
        if known is None:
            self.imports[needed.module] = needed
        elif known.certainty == needed.certainty and known.function and not needed.function:
            # Whatever the function does, this one is there before it.
            self.imports[needed.module] = replace(known, function=None)


def _full_name(imported: Imported) -> str:
    """Return module and name together: only the whole may tell which distribution a namespace package means."""
    return imported.module if imported.name in (None, "*") else f"{imported.module}.{imported.name}"


def _bound_by(statement: Statement, name: str) -> Iterator[Imported]:
    """Yield what importing under `name` loads; a dynamic import may be behind whatever the statement binds."""
    return (i for i in statement.imports if i.bound == name or (i.bound is None and i.name != "*"))


def _check_broken(walk: _Walk, broken: Sequence[Broken]) -> None:
    """Raise for a broken cell that binds what serving reaches; another is only worth a warning."""
    needed = walk.reached | set(walk.undefined)
    for cell in broken:
        if cell.binds(needed):
            raise NotebookError(str(cell))


def _check_served(notebook: Notebook, walk: _Walk) -> None:
    """Raise for code that serving will surely run and that only works inside Jupyter."""
    for place, opaque, certainty in walk.opaque:
        if certainty == "certain" and not opaque.served:
            raise NotebookError(
                f"{notebook.path.name}, {place}: {opaque.what} is not there where the function is served",
                hint="keep magics and shell commands out of the functions that serving runs",
            )


def _missing(notebook: Notebook, entry: str, graph: Graph, broken: Sequence[Broken]) -> NotebookError:
    for cell in broken:
        if cell.binds([entry]):
            return NotebookError(str(cell))
    near = difflib.get_close_matches(entry, filter(str.isidentifier, graph.final), n=1)
    hint = (
        f"{near[0]} ({graph.final[near[0]].place}) looks like it" if near else f"define {entry}(x) in a cell"
    )
    return NotebookError(f"{notebook.path.name}: no cell defines {entry}", hint=hint)


def _warnings(notebook: Notebook, walk: _Walk) -> Iterator[str]:
    for place, opaque in dict.fromkeys((place, opaque) for place, opaque, _ in walk.opaque):
        yield f"{notebook.path.name}, {place}: {opaque.what} cannot be followed; what it needs is not known"
    for name, place in sorted(walk.undefined.items()):
        yield f"{notebook.path.name}, {place}: {name} is used, and no cell defines it"
