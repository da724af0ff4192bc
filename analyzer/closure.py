"""All that serving can reach from the entry points, or why that cannot be told."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from nbslim.analyzer.builder import build_graph
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.graph import Graph
from nbslim.analyzer.implied import needed_imports
from nbslim.analyzer.needs import needs
from nbslim.analyzer.outside import Outside, Provides
from nbslim.analyzer.program import Broken, Program, read_program
from nbslim.analyzer.stars import Exported, StarImports
from nbslim.analyzer.statement import Opaque
from nbslim.analyzer.types import Closure, Need, Notebook, Place, ServingEffect
from nbslim.analyzer.walk import Walk

ENTRIES = ("predictor", "validator", "predictor_batch")


def find_closure(
    notebook: Notebook,
    *,
    entries: Sequence[str] | None = None,
    provides: Provides = lambda _: None,
    exports: Exported = lambda _module, _name: None,
) -> Closure:
    """Return what is reachable from `entries`; by default from those of ENTRIES that are there, `predictor` always.

    `provides` tells which modules can be imported, where that is known: it decides between an import and what is
    tried where it fails. `exports` tells which names a star import brings. Raises NotebookError for a missing entry
    point, and for a syntax error in a cell that serving needs.
    """
    program = read_program(notebook)
    graph = build_graph(program.statements)
    for entry in entries or ENTRIES[:1]:
        if entry not in graph.final:
            raise _missing(notebook, entry, graph, program.broken)
    outside = Outside(graph, program.local, provides)
    walk = Walk(graph, StarImports(graph, exports), outside)
    points = {name: graph.final[name] for name in entries or ENTRIES if name in graph.final}
    walk.run(points.values())
    for found_at in _may_bind_anything(program):
        outside.opaque.setdefault(found_at, "possible")
    _check_broken(walk, program.broken)
    _check_served(notebook, walk)
    needed = needs(outside.resources, outside.imports)
    return Closure(
        entry_points={name: node.place for name, node in points.items()},
        imports=tuple(sorted(needed_imports(outside), key=lambda one: one.module)),
        local_files=tuple(sorted(outside.local_imports)),
        warnings=(*map(str, program.broken), *_warnings(notebook, walk)),
        local_imports={file: tuple(sorted(found)) for file, found in sorted(outside.local_imports.items())},
        local_roots=program.local.roots,
        effects=tuple(_effects(walk)),
        files=needed.get("file", ()),
        environment_variables=needed.get("variable", ()),
        programs=needed.get("program", ()),
        metadata=needed.get("metadata", ()),
        entry_point_groups=needed.get("entry points", ()),
        opaque=tuple(_opaque(outside)),
    )


def _effects(walk: Walk) -> Iterator[ServingEffect]:
    """Yield the changes on which serving depends, in the order in which the cells make them."""
    found = {}
    for change in walk.graph.changes:
        if change in walk.changes:
            effect, place = change.effect, change.node.place
            # a loop's statements come twice
            found[place, effect.what] = ServingEffect(
                effect.what, place, change.changed, walk.changes[change], effect.replay
            )
    yield from found.values()


def _opaque(outside: Outside) -> Iterator[Need]:
    for (place, opaque), certainty in sorted(outside.opaque.items(), key=lambda item: item[0][0]):
        yield Need(opaque.what, place, certainty)


def _may_bind_anything(program: Program) -> Iterator[tuple[Place, Opaque]]:
    """Yield the constructs of the cells themselves that may bind any name, reached or not."""
    for cell, statement in program.statements:
        yield from ((Place(cell, one.line), one) for one in statement.opaque if one.binds)


def _check_broken(walk: Walk, broken: Sequence[Broken]) -> None:
    """Raise for a broken cell that binds what serving reaches; another is only worth a warning."""
    needed = walk.reached | set(walk.undefined)
    for cell in broken:
        if cell.binds(needed):
            raise NotebookError(str(cell))


def _check_served(notebook: Notebook, walk: Walk) -> None:
    """Raise for code that serving will surely run and that only works inside Jupyter."""
    for (place, opaque), certainty in walk.outside.opaque.items():
        if certainty == "certain" and not opaque.served and opaque.what.strip("()") not in walk.graph.final:
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


def _warnings(notebook: Notebook, walk: Walk) -> Iterator[str]:
    for place, opaque in walk.outside.opaque:
        yield f"{notebook.path.name}, {place}: {opaque.what} cannot be followed; what it needs is not known"
    for name, place in sorted(walk.undefined.items()):
        yield f"{notebook.path.name}, {place}: {name} is used, and no cell defines it"
