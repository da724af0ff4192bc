"""What execution decided: the pickle says which of the possible modules serving really needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType

from nbslim.analyzer.names import family
from nbslim.analyzer.pickles import Pickled
from nbslim.analyzer.reached import Reference
from nbslim.analyzer.types import Chain, Closure, Link, Need, NeededImport, Place, ServingEffect

Brings = Callable[[str, str], bool]
"""Tells whether what provides one module requires what provides another, directly or not."""


def settle_pickled(
    closure: Closure, pickled: Pickled, *, brings: Brings, added: Collection[str] = ()
) -> Closure:
    """Return `closure` as `pickled` entry points decide it; `added` modules are needed whatever the pickle says.

    What lies in the objects of a library that requires it is there because of that library, and needs no reason of
    its own, unless the notebook itself imports the very part of it that lies there.
    """
    chains: dict[str, Chain] = {}
    named = [needed.module for needed in closure.imports]
    for reference in pickled.references:
        module = reference.found.module
        brought = any(brings(library, module) for library in reference.inside)
        if not brought or any(_is_part(module, name) for name in named):
            chains.setdefault(module, _chain(closure, reference))
    reached = {reference.found.module for reference in pickled.references}
    needed = {*chains, *(pickled.modules - reached), *added}
    settled = settle(closure, needed, pickled.functions, chains)
    loaded = {*pickled.modules, *added, *(needed.module for needed in settled.imports)}
    return replace(settled, effects=_lasting(closure.effects, loaded))


def _lasting(effects: Iterable[ServingEffect], loaded: Iterable[str]) -> tuple[ServingEffect, ...]:
    """Return the effects that serving feels: possible ones stay where what they change is `loaded`, in any way."""
    families = {family(module) for module in loaded}
    stay = (e for e in effects if e.certainty == "certain" or family(e.changes) in families)
    return tuple(replace(effect, certainty="certain") for effect in stay)


def _is_part(module: str, name: str) -> bool:
    """Tell whether `module` lies in the package from which `name` is imported, if that is one below a library's top."""
    packages = (name, name.rpartition(".")[0])
    below = (package for package in packages if package and package != family(package))
    return any(f"{module}.".startswith(f"{package}.") for package in below)


def _chain(closure: Closure, reference: Reference) -> Chain:
    """Return the path to a reference; what has no place of its own has that of the last name before it."""
    places = {link.name: link.place for needed in closure.imports for link in needed.why}
    places |= closure.entry_points
    place = next(iter(closure.entry_points.values()))
    links = []
    for name in (*reference.path, str(reference.found)):
        place = places.get(name, place)
        links.append(Link(name, place))
    return tuple(links)


def settle(
    closure: Closure,
    modules: Collection[str],
    functions: Collection[Place] | None = None,
    chains: Mapping[str, Chain] = MappingProxyType({}),
) -> Closure:
    """Return `closure` as execution decided it: `modules` are those that the pickled entry points refer to.

    What was possible and is not among them is dropped; what is among them becomes certain, and is added where the
    closure did not know it, with its chain, or the first entry point, as its evidence. A local module brings its own
    imports.

    What a function imports when it is called is in no pickle. It stays if the function does: `functions` are the
    places of those that were pickled; where they are not known, all stay.
    """
    brought = _brought(closure, modules)
    foreign = {module for module in modules if not _files(closure, module)}
    families = {family(module) for module in foreign | brought}
    kept = [replace(n, certainty="certain") for n in closure.imports if _stays(n, families, functions)]
    known = {family(needed.module) for needed in kept}
    entry = Link(*next(iter(closure.entry_points.items())))
    unknown = sorted(module for module in foreign if family(module) not in known)
    added = [NeededImport(module, "certain", chains.get(module, (entry,))) for module in unknown]
    return replace(
        closure,
        imports=tuple(sorted([*kept, *added], key=lambda needed: needed.module)),
        files=_served(closure.files, functions),
        environment_variables=_served(closure.environment_variables, functions),
        programs=_served(closure.programs, functions),
        metadata=_served(closure.metadata, functions),
        entry_point_groups=_served(closure.entry_point_groups, functions),
        opaque=_served(closure.opaque, functions),
    )


def _served(needs: Iterable[Need], functions: Collection[Place] | None) -> tuple[Need, ...]:
    """Return the needs of code that serving runs: possible ones stay where their function was pickled."""
    stay = (n for n in needs if n.certainty == "certain" or functions is None or n.function in functions)
    return tuple(replace(need, certainty="certain") for need in stay)


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
    ends = range(1, len(parts) + 1)
    stems = [PurePosixPath(root, *parts[:end]) for root in closure.local_roots for end in ends]
    candidates = [
        str(file) for stem in stems for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py"))
    ]
    return [file for file in candidates if file in closure.local_imports]
