"""What execution decided: the pickle says which of the possible modules serving really needs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import PurePosixPath

from nbslim.analyzer.names import family
from nbslim.analyzer.types import Closure, Link, NeededImport, Place


def settle(closure: Closure, modules: Collection[str], functions: Collection[Place] | None = None) -> Closure:
    """Return `closure` as execution decided it: `modules` are those that the pickled entry points refer to.

    What was possible and is not among them is dropped; what is among them becomes certain, and is added where the
    closure did not know it, with the first entry point as its evidence. A local module brings its own imports.

    What a function imports when it is called is in no pickle. It stays if the function does: `functions` are the
    places of those that were pickled; where they are not known, all stay.
    """
    brought = _brought(closure, modules)
    foreign = {module for module in modules if not _files(closure, module)}
    families = {family(module) for module in foreign | brought}
    kept = [replace(n, certainty="certain") for n in closure.imports if _stays(n, families, functions)]
    known = {family(needed.module) for needed in kept}
    name, place = next(iter(closure.entry_points.items()))
    unknown = sorted(module for module in foreign if family(module) not in known)
    added = [NeededImport(module, "certain", (Link(name, place),)) for module in unknown]
    return replace(closure, imports=tuple(sorted([*kept, *added], key=lambda needed: needed.module)))


def _stays(needed: NeededImport, families: Collection[str], functions: Collection[Place] | None) -> bool:
    if needed.certainty == "certain" or family(needed.module) in families:
        return True
    return needed.function is not None and (functions is None or needed.function in functions)


def _brought(closure: Closure, modules: Collection[str]) -> set[str]:
    """Return the modules that the local ones among `modules` import, directly or through each other."""
    waiting = [file for module in modules for file in _files(closure, module)]
    loaded: set[str] = set()
    brought: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in closure.local_imports:
            brought.add(name)
        elif name not in loaded:
            loaded.add(name)
            waiting += closure.local_imports[name]
    return brought


def _files(closure: Closure, module: str) -> list[str]:
    """Return the local files that importing `module` runs, its packages' among them."""
    parts = module.split(".")
    stems = [PurePosixPath(*parts[:end]) for end in range(1, len(parts) + 1)]
    candidates = [
        str(file) for stem in stems for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))
    ]
    return [file for file in candidates if file in closure.local_imports]
