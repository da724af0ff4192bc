"""The modules that serving imports, together with those that libraries then import by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from nbslim.analyzer.evidence import Evidence, link
from nbslim.analyzer.graph import Node
from nbslim.analyzer.hidden import FUNCTIONS
from nbslim.analyzer.names import top_of
from nbslim.analyzer.outside import ModuleNeed, Outside
from nbslim.analyzer.types import NeededImport, Place


def needed_imports(outside: Outside) -> Iterator[NeededImport]:
    """Yield what was found, and what it makes libraries import by themselves."""
    found = [_needed(module, need) for module, need in outside.imports.items()]
    yield from found
    known = set(outside.imports)
    for needed in (*_by_mentions(outside), *_by_names(found)):
        if needed.module not in known:
            known.add(needed.module)
            yield needed


def _by_mentions(outside: Outside) -> Iterator[NeededImport]:
    """Yield what functions and methods of libraries import that code names."""
    libraries = {top_of(module) for module in outside.imports}
    for mention, step in outside.mentions:
        line = mention.function
        place = None if line is None else Place(step.node.place.cell, line)
        for module in _imported_by(mention.name, _owners(mention.owner, outside.graph.final), libraries):
            evidence = Evidence.of(step, step.certainty, *link(step, mention.name, mention.line))
            yield _needed(module, ModuleNeed(evidence, optional=True, function=place))


def _owners(name: str | None, final: Mapping[str, Node]) -> set[str]:
    """Return the libraries from which a name is imported."""
    node = final.get(name or "")
    return {top_of(module) for module, _ in node.imported} if node else set()


def _imported_by(name: str, owners: set[str], libraries: set[str]) -> Iterator[str]:
    """Yield what a library imports when `name` is called: the one that owns it (`plt.plot` is not pandas'), or any."""
    imported = FUNCTIONS.get(name, {})
    for library in sorted(imported.keys() & (owners & libraries if owners else libraries)):
        yield imported[library]


def _by_names(found: Iterable[NeededImport]) -> Iterator[NeededImport]:
    """Yield what functions of libraries import that are themselves imported by name."""
    for needed in found:
        library, _, name = needed.module.partition(".")
        if module := FUNCTIONS.get(name.rpartition(".")[2], {}).get(library):
            yield replace(needed, module=module, optional=True)


def _needed(module: str, need: ModuleNeed) -> NeededImport:
    chains = need.evidence.chains()
    return NeededImport(module, need.evidence.certainty, chains[0], need.optional, need.function, chains)
