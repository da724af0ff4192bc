"""What is installed in an environment, and for whom: owners of modules, requirements, sizes.

Edges come from each distribution's Requires-Dist, evaluated by `packaging`. `pipdeptree` checks those edges in the
tests and is no source of them: given folders, it evaluates markers for the Python that runs it, and it does not say
which extras an edge asks for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

from nbslim.analyzer.editable import added_folders
from nbslim.analyzer.metadata import Distribution, read_folder
from nbslim.analyzer.names import top_of
from nbslim.analyzer.overlaps import disagree, on_disk
from nbslim.analyzer.sizes import size_of
from nbslim.analyzer.types import Origin
from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class Located:
    """A module, the file that is loaded for it, and the distribution whose file it is."""

    module: str
    file: str
    owner: str


@dataclass(frozen=True)
class Installed:
    """The distributions of one environment, and the Python for which their markers count."""

    distributions: Mapping[str, Distribution]
    python: str
    declared: frozenset[str] = frozenset()
    """What the user asked for by name; of several that provide one module, that one is meant."""

    def preferring(self, names: Iterable[str]) -> Installed:
        """Return it for a user who asked for `names`; itself where no module is installed by several."""
        contested = any(len(owners) > 1 for owners, _ in self._modules.values())
        return replace(self, declared=frozenset(names)) if contested else self

    @property
    def names(self) -> tuple[str, ...]:
        """All installed distributions, sorted."""
        return tuple(sorted(self.distributions))

    def version(self, name: str) -> str:
        """Tell the installed version of a distribution."""
        return self.distributions[canonicalize_name(name)].version

    def bytes(self, name: str) -> int:
        """Count what a distribution occupies: its files that exist, with their bytecode."""
        distribution = self.distributions[canonicalize_name(name)]
        return size_of(os.fspath(distribution.folder), distribution.files)

    def owner(self, module: str) -> str | None:
        """Name the distribution that provides a dotted module, by the longest part of it that is a file.

        A folder without a file of its own (a namespace) counts only where one distribution alone fills it.
        """
        if module not in self._modules and (fills := self._namespaces.get(module, frozenset())):
            return next(iter(fills)) if len(fills) == 1 else None
        located = self.locate(module)
        return located.owner if located else None

    def locate(self, module: str) -> Located | None:
        """Tell which file importing a dotted module loads, that of the longest part of it that is a module."""
        part = self._part(module)
        if part is None:
            return None
        names, file = self._modules[part]
        return Located(part, file, self._chosen(names))

    def rivals(self, module: str) -> tuple[str, ...]:
        """Name the distributions that install the module's file, if they are several and it matters which."""
        part = self._part(module)
        names = self._modules[part][0] if part else ()
        return names if len(names) > 1 and disagree([self.distributions[name] for name in names]) else ()

    def _part(self, module: str) -> str | None:
        return next((part for part in (module, *_parents(module)) if part in self._modules), None)

    def _chosen(self, names: Sequence[str]) -> str:
        """Pick one of those that install one file: a declared one, else the one whose file it is."""
        asked = [name for name in names if name in self.declared] or names
        if len(asked) > 1:
            return on_disk([self.distributions[name] for name in asked]) or asked[0]
        return asked[0]

    def provides(self, module: str) -> bool:
        """Tell whether importing a dotted module can work; a namespace that several fill counts."""
        return self.owner(module) is not None or module in self._namespaces

    def top_levels(self, name: str) -> tuple[str, ...]:
        """Name the modules that a distribution provides for others: top-level ones without a leading underscore."""
        modules = self.distributions[canonicalize_name(name)].modules()
        tops = {top_of(module) for module, _ in modules}
        return tuple(sorted(top for top in tops if not top.startswith("_")))

    def entry_point_owners(self, group: str) -> tuple[str, ...]:
        """Name the distributions that offer entry points in a group, sorted."""
        return tuple(name for name in self.names if group in self.distributions[name].entry_point_groups())

    def required_by_all(self, names: Iterable[str]) -> set[str]:
        """Name all installed distributions that `names` require, directly or not.

        A name may carry extras (`pandas[excel]`). One of `names` is in the result only if another requires it.
        """
        return set(self.requirers(names))

    def required_by(self, name: str) -> tuple[str, ...]:
        """Name the installed distributions that directly require `name`, sorted."""
        return tuple(sorted(self._all_requirers.get(canonicalize_name(name), ())))

    def requirers(
        self, names: Iterable[str], undeclared: Mapping[str, Iterable[str]] = MappingProxyType({})
    ) -> dict[str, set[str]]:
        """Map each distribution that `names` require, directly or not, to those among them that ask for it.

        `undeclared` says what distributions require besides what their metadata tell.
        """
        edges: dict[str, set[str]] = {}
        waiting = [node for name in names for node in _nodes(Requirement(name))]
        seen = set(waiting)
        while waiting:
            source, extra = waiting.pop()
            more = () if extra else map(Requirement, undeclared.get(source, ()))
            for requirement in (*self._required(source, extra), *more):
                edges.setdefault(canonicalize_name(requirement.name), set()).add(source)
                new = [node for node in _nodes(requirement) if node not in seen]
                seen.update(new)
                waiting += new
        return edges

    def _required(self, name: str, extra: str) -> Iterator[Requirement]:
        environment = {**marker_environment(self.python), "extra": extra}
        for requirement in self._parsed.get(name, ()):
            if _applies(requirement.marker, environment, extra):
                yield requirement

    @cached_property
    def _parsed(self) -> dict[str, tuple[Requirement, ...]]:
        return {d.name: tuple(self._parse(d.requires)) for d in self.distributions.values()}

    def _parse(self, requires: Iterable[str]) -> Iterator[Requirement]:
        for text in requires:
            # most requirements are of extras that nobody installed; parsing them all would take ten times as long
            name = _NAME.match(text)
            if name and canonicalize_name(name[1]) in self.distributions:
                try:
                    yield Requirement(text)
                except InvalidRequirement:
                    continue  # old metadata that no installer of today understands either

    @cached_property
    def _all_requirers(self) -> dict[str, set[str]]:
        return self.requirers(self.distributions)

    @cached_property
    def _modules(self) -> dict[str, tuple[tuple[str, ...], str]]:
        """Each module with those that install the file which is loaded for it, by name, and that file."""
        modules: dict[str, tuple[tuple[str, ...], str]] = {}
        rivals: dict[str, list[tuple[str, str]]] = {}
        for name in self.names:
            for module, file in self.distributions[name].modules():
                if module in modules:
                    rivals.setdefault(module, []).append((name, file))
                else:
                    modules[module] = ((name,), file)
        for module, others in rivals.items():
            (first,), own = modules[module]
            modules[module] = self._loaded([(first, own), *others])
        return modules

    def _loaded(self, claims: Sequence[tuple[str, str]]) -> tuple[tuple[str, ...], str]:
        """Return the file that is loaded of those that provide one module, and who installs it."""
        file = min(claims, key=lambda claim: (self._rank(claim[0]), _preference(claim[1])))[1]
        return tuple(sorted({name for name, other in claims if other == file})), file

    @cached_property
    def _ranks(self) -> dict[Path, int]:
        folders = dict.fromkeys(one.folder for one in self.distributions.values())
        return {folder: rank for rank, folder in enumerate(folders)}

    def _rank(self, name: str) -> int:
        """Tell how far back on the search path a distribution lies."""
        return self._ranks[self.distributions[name].folder]

    @cached_property
    def _namespaces(self) -> dict[str, frozenset[str]]:
        """Folders that hold modules and are none themselves, with the distributions that fill them."""
        fills: dict[str, set[str]] = {}
        for module, (names, _) in self._modules.items():
            for parent in _parents(module):
                if parent in self._modules:
                    break
                fills.setdefault(parent, set()).update(names)
        return {module: frozenset(names) for module, names in fills.items()}


def marker_environment(python: str) -> dict[str, str]:
    """Return what markers see of the Python `python`; the rest they ask this machine."""
    # with the minor version alone known, its last patch is the best guess: backports are for the early ones
    full = python if python.count(".") > 1 else f"{python}.99"
    return {"python_version": ".".join(full.split(".")[:2]), "python_full_version": full}


def read_installed(site_packages: Sequence[Path], *, python: str = "3.11") -> Installed:
    """Read the distributions in these folders, of which the first wins, as the Python `python` sees them."""
    found: dict[str, Distribution] = {}
    for folder in site_packages:
        for distribution in read_folder(folder):
            found.setdefault(distribution.name, distribution)
        for added in _added(folder):
            for distribution in read_folder(added):
                found.setdefault(distribution.name, _in_place(distribution))
    return Installed(found, python)


def _added(folder: Path) -> Iterator[Path]:
    yield from dict.fromkeys(added for pth in sorted(folder.glob("*.pth")) for added in added_folders(pth))


def _in_place(distribution: Distribution) -> Distribution:
    """Say of what lies in a folder that a `.pth` file names that it is used where it lies."""
    return replace(distribution, origin=Origin(distribution.folder.as_uri(), editable=True))


def _preference(file: str) -> int:
    """Order the files of one module as Python prefers them."""
    stem, _, suffix = file.rpartition(".")
    return 0 if stem.endswith("/__init__") else 2 if suffix == "py" else 3 if suffix == "pyc" else 1


def _parents(module: str) -> Iterator[str]:
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def _nodes(requirement: Requirement) -> list[tuple[str, str]]:
    name = canonicalize_name(requirement.name)
    return [(name, ""), *((name, extra) for extra in sorted(requirement.extras))]


def _applies(marker: Marker | None, environment: Mapping[str, str], extra: str) -> bool:
    """Tell whether a requirement counts; of an extra's node, only what the extra adds."""
    if marker is None:
        return not extra
    return marker.evaluate(dict(environment))
