"""From a closure and an environment to the answer: which distributions serve, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nbslim.analyzer.absent import absent
from nbslim.analyzer.by_name import NeededDistribution, missing_by_name, needed_by_name
from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.editable import folder_of
from nbslim.analyzer.imports import cell_imports
from nbslim.analyzer.local import as_imported
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.reasons import Dropped
from nbslim.analyzer.types import (
    Analysis,
    CellImport,
    Certainty,
    Chain,
    Closure,
    DroppedDistribution,
    NeededImport,
    Notebook,
    Place,
    Requirements,
    ServingDistribution,
)
from nbslim.analyzer.undeclared import undeclared_imports
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class _Evidence:
    """Why a distribution serves."""

    certainty: Certainty
    chains: tuple[Chain, ...]
    imports: tuple[str, ...] = ()

    @property
    def why(self) -> Chain:
        """The first of the shortest chains."""
        return self.chains[0]

    @property
    def strength(self) -> tuple[bool, int]:
        """Sorts before weaker evidence: certain first, then short."""
        return self.certainty != "certain", len(self.why)


def analyze(
    notebook: Notebook,
    closure: Closure,
    installed: Installed,
    *,
    python: str,
    requirements: Requirements,
    before: Closure | None = None,
) -> Analysis:
    """Tell which installed distributions the closure needs, with their evidence, and why it needs no others.

    `before` is the closure as it was known before execution settled it.
    """
    installed = installed.preferring(declared_extras(requirements))
    needed = _foreign(closure, installed)
    direct = _direct(needed, installed, needed_by_name(closure, installed))
    undeclared = undeclared_imports(installed, [one.module for one in needed])
    requirers = installed.requirers(_with_extras(direct, requirements), undeclared)
    evidence = _spread(direct, requirers)
    imports = cell_imports(notebook, installed)
    assumed = _foreign(before or closure, installed)
    told = (*notebook.warnings, *closure.warnings, *requirements.warnings)
    doubts = _doubts(notebook, closure, installed, needed, evidence)
    return Analysis(
        notebook=notebook.path.name,
        python=python,
        entry_points=closure.entry_points,
        serving=tuple(
            _serving(name, evidence[name], requirers, undeclared, installed, direct=name in direct)
            for name in sorted(evidence)
        ),
        dropped=tuple(_dropped(evidence, imports, assumed, requirements, installed)),
        warnings=tuple(dict.fromkeys((*told, *doubts))),
        imports=imports,
        effects=closure.effects,
        files=closure.files,
        environment_variables=closure.environment_variables,
        programs=closure.programs,
        opaque=closure.opaque,
        local_files=closure.local_files,
    )


def _dropped(
    kept: Iterable[str],
    imports: Iterable[CellImport],
    assumed: Iterable[NeededImport],
    requirements: Requirements,
    installed: Installed,
) -> Iterator[DroppedDistribution]:
    """Yield what is not kept, with the reason; `assumed` is what serving seemed to need before execution."""
    dropped = Dropped(
        names=set(installed.names).difference(kept),
        requirers=installed.requirers(_with_extras(installed.names, requirements)),
        imported=_first_places(imports),
        refuted=_refuted(assumed, installed),
        declared=declared_extras(requirements),
        source=requirements.source,
    )
    for name in sorted(dropped.names):
        version, size = installed.version(name), installed.bytes(name)
        yield DroppedDistribution(name, version, size, dropped.reason(name), _tops(name, imports))


def _foreign(closure: Closure, installed: Installed) -> list[NeededImport]:
    return [needed for needed in closure.imports if not _is_ours(needed.module, closure, installed)]


def _is_ours(module: str, closure: Closure, installed: Installed) -> bool:
    """Tell whether a module is the standard library's or lies beside the notebook."""
    paths = (path for file in closure.local_files for path in as_imported(file, closure.local_roots))
    if top_of(module) in {top_of(path.partition("/")[0]) for path in paths}:
        return True
    return is_standard(module, in_all=installed.provides(module))


def _direct(
    needed: Iterable[NeededImport], installed: Installed, by_name: Iterable[NeededDistribution]
) -> dict[str, _Evidence]:
    """Give what the closure itself needs: the owners of the modules that it imports, and what it asks for by name."""
    owned: dict[str, list[_Evidence]] = {}
    for one in needed:
        if owner := installed.owner(one.module):
            chains = one.chains or (one.why,)
            owned.setdefault(owner, []).append(_Evidence(one.certainty, chains, (top_of(one.module),)))
    for named in by_name:
        evidence = _Evidence(named.certainty, (named.why,), installed.top_levels(named.name))
        owned.setdefault(named.name, []).append(evidence)
    return {name: _joined(found) for name, found in owned.items()}


def _joined(found: list[_Evidence]) -> _Evidence:
    strongest = min(found, key=lambda evidence: evidence.strength)
    equal = [evidence for evidence in found if evidence.strength == strongest.strength]
    chains = dict.fromkeys(chain for evidence in equal for chain in evidence.chains)
    tops = {top for evidence in found for top in evidence.imports}
    return replace(strongest, chains=tuple(chains), imports=tuple(sorted(tops)))


def _with_extras(names: Iterable[str], requirements: Requirements) -> Iterator[str]:
    """Add the extras that the user asked for: serving may load them by name alone."""
    extras = declared_extras(requirements)
    for name in names:
        yield f"{name}[{','.join(sorted(extras[name]))}]" if extras.get(name) else name


def declared_extras(requirements: Requirements) -> dict[str, set[str]]:
    """Return the names of the distributions that the user declared, each with the extras that are asked for."""
    extras: dict[str, set[str]] = {}
    for specifier in requirements.specifiers:
        try:
            requirement = Requirement(specifier)
        except InvalidRequirement:
            continue  # whoever resolves the requirements reports it
        extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    return extras


def _spread(direct: Mapping[str, _Evidence], requirers: Mapping[str, set[str]]) -> dict[str, _Evidence]:
    """Hand evidence on to what is required: the nearest certain chain first, then the nearest possible one.

    What is imported keeps its own evidence, and hands on what it was given if that is more certain.
    """
    requires: dict[str, list[str]] = {}
    for target in sorted(requirers):
        for source in requirers[target]:
            requires.setdefault(source, []).append(target)
    reached: dict[str, _Evidence] = {}
    waiting = sorted(direct, key=lambda name: (direct[name].strength, name))
    for certainty in ("certain", "possible"):
        level = [name for name in waiting if direct[name].certainty == certainty and name not in reached]
        reached |= {name: direct[name] for name in level}
        while level:
            level = [new for name in level for new in _hand_on(name, requires, reached)]
    return {**reached, **direct}


def _hand_on(name: str, requires: Mapping[str, list[str]], reached: dict[str, _Evidence]) -> list[str]:
    new = [target for target in requires.get(name, ()) if target not in reached]
    reached |= {target: replace(reached[name], imports=()) for target in new}
    return new


def _first_places(imports: Iterable[CellImport]) -> dict[str, Place]:
    """Map distributions to where a cell first imports them; `imports` are in the order of their places."""
    first: dict[str, Place] = {}
    for one in imports:
        if one.distribution:
            first.setdefault(one.distribution, one.place)
    return first


def _refuted(assumed: Iterable[NeededImport], installed: Installed) -> dict[str, Place]:
    """Map the owners of what was assumed before execution to where it is imported; it told which are dropped."""
    return {
        owner: one.why[-1].place
        for one in assumed
        if one.why and one.certainty == "possible" and (owner := installed.owner(one.module))
    }


def _tops(name: str, imports: Iterable[CellImport]) -> tuple[str, ...]:
    return tuple(sorted({top_of(one.module) for one in imports if one.distribution == name}))


def _serving(
    name: str,
    evidence: _Evidence,
    requirers: Mapping[str, set[str]],
    undeclared: Mapping[str, set[str]],
    installed: Installed,
    *,
    direct: bool,
) -> ServingDistribution:
    return ServingDistribution(
        name=name,
        version=installed.version(name),
        imports=evidence.imports,
        certainty=evidence.certainty,
        direct=direct,
        required_by=tuple(sorted(requirers.get(name, ()))),
        why=evidence.why,
        bytes=installed.bytes(name),
        origin=installed.distributions[name].origin,
        chains=evidence.chains,
        undeclared_by=tuple(sorted(importer for importer, found in undeclared.items() if name in found)),
    )


def _doubts(
    notebook: Notebook,
    closure: Closure,
    installed: Installed,
    needed: Collection[NeededImport],
    kept: Iterable[str],
) -> Iterator[str]:
    """Yield what is not there and what may not be as it seems, where serving needs it."""
    yield from _missing(notebook, needed, installed)
    yield from missing_by_name(notebook, closure, installed)
    yield from _rivals(notebook, needed, installed)
    yield from _in_place(notebook, kept, installed)
    yield from absent(notebook, closure)


def _missing(notebook: Notebook, needed: Iterable[NeededImport], installed: Installed) -> Iterator[str]:
    for one in needed:
        if one.optional or installed.provides(one.module):
            continue
        # the last part may be no module: `from numpyy import array`
        top = top_of(one.module)
        module = one.module if installed.provides(top) else top
        place = f", {one.why[-1].place}" if one.why else ""
        yield f"{notebook.path.name}{place}: no installed distribution provides {module}"


def _rivals(notebook: Notebook, needed: Iterable[NeededImport], installed: Installed) -> Iterator[str]:
    for one in needed:
        if rivals := installed.rivals(one.module):
            place = f", {one.why[-1].place}" if one.why else ""
            names = f"{', '.join(rivals[:-1])} and {rivals[-1]}"
            kept = installed.owner(one.module)
            yield (
                f"{notebook.path.name}{place}: {names} all install {top_of(one.module)}, over each other; {kept} "
                "is taken for its owner: install only one of them"
            )


def _in_place(notebook: Notebook, names: Iterable[str], installed: Installed) -> Iterator[str]:
    for name in sorted(names):
        origin = installed.distributions[name].origin
        if origin and origin.editable:
            yield (
                f"{notebook.path.name}: {name} is used from the folder {folder_of(origin)}, where it is edited; "
                "no index has it: build a wheel of it and require that"
            )
