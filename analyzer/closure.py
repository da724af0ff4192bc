"""All that serving can reach from the entry points: a walk over the def-use graph that keeps its evidence."""

from __future__ import annotations

import builtins
import difflib
import re
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.graph import Graph, Node, build_graph
from nbslim.analyzer.local import LocalModules
from nbslim.analyzer.syntax import Imported, Opaque, Statement, statements
from nbslim.analyzer.types import Cell, Certainty, Closure, Link, NeededImport, Notebook, Place

ENTRIES = ("predictor", "validator")
_BUILTINS = frozenset(dir(builtins)) | {"get_ipython", "display", "In", "Out", "_", "__", "___"}

# A definition, an import, or an assignment to the name, its attributes or its items.
_BINDING = (
    r"^\s*(?:def|class)\s+{name}\b|import\b.*\b{name}\b|\b{name}\b[\w.\[\]'\"]*\s*(?:,.*)?[-+*/|&@%]?=(?!=)"
)

Chain = tuple[Link, ...]


def find_closure(notebook: Notebook, *, entries: Sequence[str] = ENTRIES) -> Closure:
    """Return what is reachable from `entries`; the first must be there, the others may.

    Raises NotebookError for a missing entry point, and for a syntax error in a cell that serving needs.
    """
    parsed, broken = _parse(notebook)
    graph = build_graph((cell, statement) for cell, found in parsed for statement in found)
    if entries[0] not in graph.final:
        raise _missing(notebook, entries[0], graph, broken)
    walk = _Walk(graph, LocalModules(notebook.folder, _written(notebook)))
    points = {name: graph.final[name] for name in entries if name in graph.final}
    walk.run(points.values())
    _check_broken(walk, broken)
    return Closure(
        entry_points={name: node.place for name, node in points.items()},
        imports=tuple(walk.imports[module] for module in sorted(walk.imports)),
        local_files=tuple(sorted(walk.local_files)),
        warnings=(*(str(error) for error in broken), *_warnings(notebook, walk)),
    )


def imported_modules(notebook: Notebook) -> frozenset[str]:
    """Return the dotted names of all that any cell imports, reachable or not, local modules left out."""
    parsed, _ = _parse(notebook)
    local = LocalModules(notebook.folder, _written(notebook))
    imports = (i for _, found in parsed for s in found for i in (*s.imports, *s.body.imports))
    return frozenset(_full_name(i) for i in imports if not i.level and not local.files(i))


def settle(closure: Closure, modules: Collection[str]) -> Closure:
    """Return `closure` as execution decided it: `modules` are those that the pickled entry points refer to.

    What was possible and is not among them is dropped; what is among them becomes certain, and is added where the
    closure did not know it, with the first entry point as its evidence.
    """
    tops = {module.partition(".")[0] for module in modules}
    kept = [
        replace(n, certainty="certain")
        for n in closure.imports
        if n.certainty == "certain" or _top(n) in tops
    ]
    known = {_top(needed) for needed in kept}
    name, place = next(iter(closure.entry_points.items()))
    unknown = sorted(module for module in modules if module.partition(".")[0] not in known)
    added = [NeededImport(module, "certain", (Link(name, place),)) for module in unknown]
    return replace(closure, imports=tuple(sorted([*kept, *added], key=lambda needed: needed.module)))


def _top(needed: NeededImport) -> str:
    return needed.module.partition(".")[0]


@dataclass
class _Walk:
    """Breadth first, certain before possible, so that the first chain found is the shortest and the surest."""

    graph: Graph
    local: LocalModules
    imports: dict[str, NeededImport] = field(default_factory=dict)
    local_files: dict[str, Chain] = field(default_factory=dict)
    opaque: list[tuple[Place, Opaque]] = field(default_factory=list)
    undefined: dict[str, Place] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)
    _queue: deque[tuple[Node, Certainty, Chain]] = field(default_factory=deque)
    _later: deque[tuple[Node, Certainty, Chain]] = field(default_factory=deque)

    def run(self, entries: Iterable[Node]) -> None:
        self._queue.extend((node, "certain", ()) for node in entries)
        while self._queue or self._later:
            if not self._queue:
                self._queue, self._later = self._later, self._queue
            node, certainty, chain = self._queue.popleft()
            if id(node) not in self._seen:
                self._seen.add(id(node))
                self.reached.add(node.name)
                self._expand(node, certainty, (*chain, Link(node.name, node.place)))

    def _expand(self, node: Node, certainty: Certainty, chain: Chain) -> None:
        statement = node.statement
        if node.previous is not None:
            self._follow(node.previous, certainty if node.update else "possible", chain)
        if not node.update:
            self._need(_bound_by(statement, node.name), node.place, certainty, chain)
        code = statement.defines_code and not node.update
        self._follow_body(node, certainty if code else "possible", chain)
        plain = statement.plain_if_builtin is not None and not statement.plain_if_builtin & set(
            self.graph.final
        )
        for name in () if plain and not node.update else sorted(statement.uses):
            self._use(name, node, "possible", chain)
        for name in sorted(statement.bases):
            self._use(name, node, certainty, chain)

    def _follow_body(self, node: Node, certainty: Certainty, chain: Chain) -> None:
        body, cell = node.statement.body, node.place.cell
        self.opaque += [(Place(cell, o.line), o) for o in (*body.opaque, *node.statement.opaque)]
        self._need(body.imports, node.place, certainty, chain)
        for name in sorted(body.names):
            if name in self.graph.final:
                self._follow(self.graph.final[name], certainty, chain)
            else:
                self._unbound(name, node.place, certainty, chain)

    def _use(self, name: str, node: Node, certainty: Certainty, chain: Chain) -> None:
        if name in node.uses:
            self._follow(node.uses[name], certainty, chain)
        elif name not in self.graph.final:
            self._unbound(name, node.place, certainty, chain)

    def _follow(self, node: Node, certainty: Certainty, chain: Chain) -> None:
        (self._queue if certainty == "certain" else self._later).append((node, certainty, chain))

    def _unbound(self, name: str, place: Place, certainty: Certainty, chain: Chain) -> None:
        """Deal with a name that no cell binds: a builtin, or from a star import, or a mistake."""
        if name in _BUILTINS or (name.startswith("__") and name.endswith("__")):
            return
        if not self.graph.stars:
            self.undefined.setdefault(name, place)
        surest: Certainty = certainty if len(self.graph.stars) == 1 else "possible"
        for where, statement in self.graph.stars:
            stars = [imported for imported in statement.imports if imported.name == "*"]
            self._need(stars, where, surest, (*chain, Link(name, where)))

    def _need(self, imports: Iterable[Imported], place: Place, certainty: Certainty, chain: Chain) -> None:
        for imported in imports:
            where = Place(place.cell, imported.line)
            link = Link(imported.bound or imported.module, where)
            self._import(imported, None, certainty, chain if chain[-1].place == where else (*chain, link))

    def _import(self, imported: Imported, importer: str | None, certainty: Certainty, chain: Chain) -> None:
        files = self.local.files(imported, importer)
        if not files and not imported.level:
            module = (
                f"{imported.module}.{imported.name}" if imported.name not in (None, "*") else imported.module
            )
            known = self.imports.get(module)
            if known is None or (known.certainty == "possible" and certainty == "certain"):
                self.imports[module] = NeededImport(module, certainty, chain, imported.optional)
        for file in files:
            if file not in self.local_files:
                self.local_files[file] = chain
                for inner in self.local.imports(file):
                    self._import(inner, file, certainty, chain)


def _full_name(imported: Imported) -> str:
    """Return module and name together: only the whole may tell which distribution a namespace package means."""
    return imported.module if imported.name in (None, "*") else f"{imported.module}.{imported.name}"


def _bound_by(statement: Statement, name: str) -> Iterator[Imported]:
    """Yield what importing under `name` loads; a dynamic import may be behind whatever the statement binds."""
    return (i for i in statement.imports if i.bound == name or (i.bound is None and i.name != "*"))


def _parse(notebook: Notebook) -> tuple[list[tuple[int, tuple[Statement, ...]]], list[_Broken]]:
    parsed, broken = [], []
    for cell in notebook.cells:
        if "skip-execution" in cell.tags:
            continue
        try:
            parsed.append((cell.number, statements(cell.python)))
        except SyntaxError as error:
            broken.append(_Broken(notebook.path.name, cell, error))
    return parsed, broken


@dataclass(frozen=True)
class _Broken:
    """A cell that is not Python."""

    notebook: str
    cell: Cell
    error: SyntaxError

    def __str__(self) -> str:
        place = Place(self.cell.number, self.error.lineno or 1)
        return f"{self.notebook}, {place}: {_python_says(self.cell, self.error)}"

    def binds(self, names: Iterable[str]) -> bool:
        """Whether its text seems to bind one of `names`: then serving may need what the cell was meant to define."""
        return any(
            re.search(_BINDING.format(name=re.escape(name)), self.cell.python, re.MULTILINE) for name in names
        )


def _python_says(cell: Cell, error: SyntaxError) -> str:
    """Return Python's own words for the mistake, which are clearer than the parser's."""
    try:
        compile(cell.python, "<cell>", "exec")
    except (SyntaxError, ValueError) as own:
        return str(getattr(own, "msg", own))
    return str(error.msg).partition("\n")[0]


def _check_broken(walk: _Walk, broken: Sequence[_Broken]) -> None:
    """Raise for a broken cell that binds what serving reaches; another is only worth a warning."""
    for cell in broken:
        if cell.binds(walk.reached | set(walk.undefined)):
            raise NotebookError(str(cell))


def _missing(notebook: Notebook, entry: str, graph: Graph, broken: Sequence[_Broken]) -> NotebookError:
    for cell in broken:
        if cell.binds([entry]):
            return NotebookError(str(cell))
    near = difflib.get_close_matches(entry, graph.final, n=1)
    hint = (
        f"{near[0]} ({graph.final[near[0]].place}) looks like it" if near else f"define {entry}(x) in a cell"
    )
    return NotebookError(f"{notebook.path.name}: no cell defines {entry}", hint=hint)


def _written(notebook: Notebook) -> dict[str, str]:
    return dict(cell.written for cell in notebook.cells if cell.written is not None)


def _warnings(notebook: Notebook, walk: _Walk) -> Iterator[str]:
    for place, opaque in dict.fromkeys(walk.opaque):
        yield f"{notebook.path.name}, {place}: {opaque.what} cannot be followed; what it needs is not known"
    for name, place in sorted(walk.undefined.items()):
        yield f"{notebook.path.name}, {place}: {name} is used, and no cell defines it"
