"""Adds to a trace what functions import that no sample entered, of modules that it did enter, where that is small."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from nbslim.packer.draft import Draft
from nbslim.packer.keep import means
from nbslim.packer.known import DEVELOPMENT
from nbslim.packer.layout import DISTRIBUTIONS, MODEL
from nbslim.packer.reach import needed
from nbslim.packer.trace import Trace

SMALL = 1_000_000
"""Bytes that such an import may bring: another input may need it, and most never do."""


def widened(draft: Draft, trace: Trace) -> Trace:
    """Return `trace` with the small imports that functions of distributions and of the notebook's modules hold."""
    modules, edges = dict(trace.modules), {name: dict(targets) for name, targets in trace.edges.items()}
    possible = trace.possible
    known = set(needed(draft, modules.values()))
    ours = (name for name, path in trace.modules.items() if path.startswith((DISTRIBUTIONS, MODEL)))
    for importer in sorted(ours):
        for name in sorted(set(possible.edges.get(importer, ())) - set(edges.get(importer, ()))):
            new = _behind(trace, name, modules)
            files = {possible.modules[one] for one in new if one in possible.modules}
            if (
                any(map(_for_development, new))
                or draft.bytes(files | ({*needed(draft, files)} - known)) > SMALL
            ):
                continue
            modules.update((one, possible.modules[one]) for one in new if one in possible.modules)
            edges.setdefault(importer, {})[name] = True
            for one in new:
                edges.setdefault(one, {}).update(possible.edges.get(one, {}))
    return replace(trace, modules=modules, edges=edges)


def _behind(trace: Trace, name: str, known: Collection[str]) -> set[str]:
    """Return the modules that importing `name` would load besides those that are `known`."""
    found, waiting = set[str](), [name]
    while waiting:
        one = waiting.pop()
        parent = one.rpartition(".")[0]
        if one not in found and one not in known and one not in trace.edges:
            found.add(one)
            waiting += [*trace.possible.edges.get(one, ()), *([parent] if parent else ())]
    return found


def _for_development(module: str) -> bool:
    return any(means(pattern, module) for pattern in DEVELOPMENT)
