"""Which changes of what is imported a statement makes, itself or by what it calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from nbslim.analyzer.calls import Done
from nbslim.analyzer.graph import Change, Node
from nbslim.analyzer.statement import Effect, Statement
from nbslim.analyzer.types import Place

Names = Mapping[str, Node]


def changes_made(
    place: Place, statement: Statement, read: Names, done: Done, last: Names
) -> Iterator[Change]:
    """Yield what a statement changes; it has `read` these nodes, and each name stands for its `last` one."""
    made: list[tuple[Effect, Node | None]] = [(effect, None) for effect in statement.effects]
    made += [(_made_by_call(effect, place, statement), node) for effect, node in done.effects]
    for effect, function in made:
        if changed := _changed(effect, function, last):
            node = Node(effect.root, Place(place.cell, effect.line), statement, None, read, update=True)
            yield Change(node, effect, changed)


def _made_by_call(effect: Effect, place: Place, statement: Statement) -> Effect:
    """Return the effect of a function as that of the statement that calls it."""
    return replace(effect, line=place.line, replay=statement.call if effect.replay else None)


def _changed(effect: Effect, function: Node | None, last: Names) -> str | None:
    """Return the whole name of what an effect changes; None where its root is not imported."""
    if effect.kind == "import":
        return effect.chain
    _, _, rest = effect.chain.partition(".")
    if effect.module:
        return f"{effect.module}.{rest}"
    local = (i for i in (function.statement.body.imports if function else ()) if i.bound == effect.root)
    inside = next(((i.module, i.name or "") for i in local), None)
    imported = inside or _imported(effect.root, last)
    return ".".join(filter(None, [*imported, rest])) if imported else None


def _imported(name: str, last: Names) -> tuple[str, ...]:
    """Return what a name imports, part by part, be it by another name for a part of what is imported."""
    node, parts = last.get(name), ""
    while node is not None and not node.imported:
        if node.update:
            node = node.previous
            continue
        of, _, part = (node.statement.alias_of or "").partition(".")
        parts = ".".join(filter(None, [part, parts]))
        node = node.uses.get(of)
    if node is None:
        return ()
    module, imported = min(node.imported, key=str)
    return tuple(filter(None, [module, imported, parts]))
