"""Finds modules that serving may do without, though it imports them: optional ones, and what only they need."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nbslim.packer.draft import SHARED, Draft
from nbslim.packer.elf import read_elf
from nbslim.packer.known import UNUSED
from nbslim.packer.layout import DISTRIBUTIONS
from nbslim.packer.trace import Trace

WORTH = 1_000_000
"""Bytes from which on leaving something out is tried: a C accelerator is worth more than its few."""

_OURS = ("nbslim", "falcon", "waitress", "cloudpickle", "__main__", "")


@dataclass(frozen=True)
class Candidate:
    """Modules that may be left out together, and the bytes of files that would go with them."""

    about: str
    modules: frozenset[str]
    bytes: int


def kept_modules(trace: Trace, roots: Collection[str], without: Collection[str] = ()) -> frozenset[str]:
    """Return the modules of `trace` that are reached when those of `without` cannot be imported.

    `roots` are modules that are needed whoever else imports them: those that the pickle names.
    """
    importers = _importers(trace)
    waiting = [name for name in trace.modules if name in roots or not importers.get(name, {name}) - {name}]
    waiting += [name for name in trace.edges if name not in trace.modules]
    seen = set(waiting)
    while waiting:
        name = waiting.pop()
        parent = name.rpartition(".")[0]
        for other in (*trace.edges.get(name, ()), *([parent] if parent else ())):
            if other not in seen and other not in without:
                seen.add(other)
                waiting.append(other)
    return frozenset(seen & set(trace.modules)) - frozenset(without)


def candidates(draft: Draft, trace: Trace, roots: Collection[str]) -> list[Candidate]:
    """Return what may be tried, the largest first: distributions, and what needs a large library of the system."""
    found = {}
    unused = [(name, {name}) for name in UNUSED if name in trace.modules]
    libraries = [
        (about, targets)
        for about, targets in _of_libraries(draft, trace)
        if not _asked_for(trace, _removable(trace, targets, roots), roots)
    ]
    for about, targets in (*unused, *_of_distributions(draft, trace), *libraries):
        modules = _removable(trace, targets, roots)
        if modules:
            gone = set(kept_modules(trace, roots)) - kept_modules(trace, roots, modules)
            size = draft.bytes({trace.modules[name] for name in gone}) + _exclusive(draft, trace, gone)
            found[modules] = Candidate(about, modules, size)
    return sorted((one for one in found.values() if one.bytes >= WORTH), key=lambda one: -one.bytes)


def _of_distributions(draft: Draft, trace: Trace) -> Iterator[tuple[str, set[str]]]:
    """Yield each distribution's modules."""
    owned = defaultdict(set)
    for name, path in trace.modules.items():
        if path in draft.owners and path.startswith(DISTRIBUTIONS):
            owned[draft.owners[path]].add(name)
    for info, modules in sorted(owned.items()):
        yield info.rpartition("/")[2].partition("-")[0], modules


def _of_libraries(draft: Draft, trace: Trace) -> Iterator[tuple[str, set[str]]]:
    """Yield the modules behind which each large library of the system is."""
    users = defaultdict(set)
    for name, path in trace.modules.items():
        for library in _behind(draft, path) if SHARED.search(path) else ():
            users[library].add(name)
    for library, modules in sorted(users.items()):
        if (draft.tree / library).stat().st_size >= WORTH:
            yield library.rpartition("/")[2], modules


def _asked_for(trace: Trace, modules: Collection[str], roots: Collection[str]) -> bool:
    """Whether a distribution or the notebook itself imports one of `modules`, though it may do without.

    The standard library tries to import TLS for whoever opens a socket; urllib3 does to speak it, with another input.
    """
    importers = _importers(trace)
    asking = {one for name in modules for one in importers.get(name, ())}.difference(modules)
    return any(one in roots or trace.modules.get(one, "").startswith(DISTRIBUTIONS) for one in asking)


def _behind(draft: Draft, path: str) -> frozenset[str]:
    """Return the libraries of the system that loading the file at `path` brings, but for those of every process."""
    return _system(draft.tree, path) - _system(draft.tree, f"usr/bin/{draft.python}")


@cache
def _system(tree: Path, path: str) -> frozenset[str]:
    found: set[str] = set()
    for name in read_elf(tree / path).needed:
        library = f"usr/lib/{name}"
        if (tree / library).is_file():
            found |= {library, *_system(tree, library)}
    return frozenset(found)


def _exclusive(draft: Draft, trace: Trace, gone: Collection[str]) -> int:
    """Return the bytes of system libraries that only modules of `gone` need."""

    def behind(names: Iterable[str]) -> set[str]:
        paths = (trace.modules[name] for name in names)
        return {library for path in paths if SHARED.search(path) for library in _behind(draft, path)}

    return draft.bytes(behind(gone) - behind(set(trace.modules) - set(gone)))


def _importers(trace: Trace) -> Mapping[str, set[str]]:
    importers = defaultdict(set)
    for importer, targets in trace.edges.items():
        for name in targets:
            importers[name].add(importer)
    return importers


def _removable(trace: Trace, targets: Collection[str], roots: Collection[str]) -> frozenset[str]:
    """Return `targets` with all modules that cannot be imported without them; nothing, where serving is among those."""
    importers, found, waiting = _importers(trace), set(targets), list(targets)
    while waiting:
        name = waiting.pop()
        if name in roots or (name.partition(".")[0] in _OURS and name not in UNUSED):
            return frozenset()
        for importer in importers.get(name, ()):
            needs = not trace.edges[importer][name]
            if needs and importer not in found:
                found.add(importer)
                waiting.append(importer)
    return frozenset(found & set(trace.modules))
