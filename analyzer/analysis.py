"""From a closure and an environment to the answer: which distributions serve, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.editable import folder_of
from nbslim.analyzer.imports import cell_imports
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.reasons import Dropped
from nbslim.analyzer.types import (
    Analysis,
    CellImport,
    Certainty,
    Closure,
    DroppedDistribution,
    Link,
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
    why: tuple[Link, ...]
    imports: tuple[str, ...] = ()

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
    declared = _declared_extras(requirements)
    installed = replace(installed, declared=frozenset(declared))
    needed = _foreign(closure, installed)
    direct = _direct(needed, installed)
    undeclared = undeclared_imports(installed, [one.module for one in needed])
    requirers = installed.requirers(_with_extras(direct, requirements), undeclared)
    evidence = _spread(direct, requirers)
    imports = cell_imports(notebook, installed)
    dropped = Dropped(
        names=set(installed.names).difference(evidence),
        requirers=installed.requirers(_with_extras(installed.names, requirements)),
        imported=_first_places(imports),
        refuted=_refuted(_foreign(before or closure, installed), installed),
        declared=declared,
        source=requirements.source,
    )
    warnings = (
        *notebook.warnings,
        *closure.warnings,
        *requirements.warnings,
        *_missing(notebook, needed, installed),
        *_rivals(notebook, needed, installed),
        *_in_place(notebook, evidence, installed),
    )
    return Analysis(
        notebook=notebook.path.name,
        python=python,
        entry_points=closure.entry_points,
        serving=tuple(
            _serving(name, evidence[name], requirers, undeclared, installed) for name in sorted(evidence)
        ),
        dropped=tuple(
            DroppedDistribution(
                name,
                installed.version(name),
                installed.bytes(name),
                dropped.reason(name),
                _tops(name, imports),
            )
            for name in sorted(dropped.names)
        ),
        warnings=tuple(dict.fromkeys(warnings)),
        imports=imports,
    )


def _foreign(closure: Closure, installed: Installed) -> list[NeededImport]:
    return [needed for needed in closure.imports if not _is_ours(needed.module, closure, installed)]


def _is_ours(module: str, closure: Closure, installed: Installed) -> bool:
    """Tell whether a module is the standard library's or lies beside the notebook."""
    if top_of(module) in {top_of(file.partition("/")[0]) for file in closure.local_files}:
        return True
    return is_standard(module, in_all=installed.provides(module))


def _direct(needed: Iterable[NeededImport], installed: Installed) -> dict[str, _Evidence]:
    """Give the owners of the modules that the closure itself imports."""
    owned: dict[str, list[NeededImport]] = {}
    for one in needed:
        if owner := installed.owner(one.module):
            owned.setdefault(owner, []).append(one)
    return {name: _joined(imports) for name, imports in owned.items()}


def _joined(imports: list[NeededImport]) -> _Evidence:
    strongest = min((_Evidence(one.certainty, one.why) for one in imports), key=lambda e: e.strength)
    tops = tuple(sorted({top_of(one.module) for one in imports}))
    return _Evidence(strongest.certainty, strongest.why, tops)


def _with_extras(names: Iterable[str], requirements: Requirements) -> Iterator[str]:
    """Add the extras that the user asked for: serving may load them by name alone."""
    extras = _declared_extras(requirements)
    for name in names:
        yield f"{name}[{','.join(sorted(extras[name]))}]" if extras.get(name) else name


def _declared_extras(requirements: Requirements) -> dict[str, set[str]]:
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
) -> ServingDistribution:
    return ServingDistribution(
        name=name,
        version=installed.version(name),
        imports=evidence.imports,
        certainty=evidence.certainty,
        direct=bool(evidence.imports),
        required_by=tuple(sorted(requirers.get(name, ()))),
        why=evidence.why,
        bytes=installed.bytes(name),
        origin=installed.distributions[name].origin,
        undeclared_by=tuple(sorted(importer for importer, found in undeclared.items() if name in found)),
    )


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
