"""What is installed in an environment, and for whom: owners of modules, requirements, sizes.

Files come from each distribution's RECORD and edges from its Requires-Dist, found by `importlib.metadata` and
evaluated by `packaging`. `pipdeptree` checks those edges in the tests and is no source of them: given folders, it
evaluates markers for the Python that runs it, and it does not say which extras an edge asks for.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from functools import cached_property
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

_MODULE = re.compile(r"(?P<stem>[^.]+)\.(?:pyc?|(?:[^.]+\.)?(?:so|pyd))")
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class Distribution:
    """One installed distribution as its metadata folder tells; `files` are relative to `folder`, POSIX."""

    name: str
    """In PEP 503 normal form."""
    version: str
    folder: Path
    files: tuple[str, ...]
    requires: tuple[str, ...]
    top_level: tuple[str, ...] = ()
    """Modules of a distribution that keeps no list of its files."""


@dataclass(frozen=True)
class Installed:
    """The distributions of one environment, and the Python for which their markers count."""

    distributions: Mapping[str, Distribution]
    python: str

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
        return sum(_sizes(os.fspath(distribution.folder), distribution.files).values())

    def owner(self, module: str) -> str | None:
        """Name the distribution that provides a dotted module, by the longest part of it that is a file.

        A folder without a file of its own (a namespace) counts only where one distribution alone fills it.
        """
        if module in self._modules:
            return self._modules[module]
        fills = self._namespaces.get(module, frozenset())
        if fills:
            return next(iter(fills)) if len(fills) == 1 else None
        return next((self._modules[part] for part in _parents(module) if part in self._modules), None)

    def provides(self, module: str) -> bool:
        """Tell whether importing a dotted module can work; a namespace that several fill counts."""
        return self.owner(module) is not None or module in self._namespaces

    def required_by_all(self, names: Iterable[str]) -> set[str]:
        """Name all installed distributions that `names` require, directly or not.

        A name may carry extras (`pandas[excel]`). One of `names` is in the result only if another requires it.
        """
        return set(self.requirers(names))

    def required_by(self, name: str) -> tuple[str, ...]:
        """Name the installed distributions that directly require `name`, sorted."""
        return tuple(sorted(self._all_requirers.get(canonicalize_name(name), ())))

    def requirers(self, names: Iterable[str]) -> dict[str, set[str]]:
        """Map each distribution that `names` require, directly or not, to those among them that ask for it."""
        edges: dict[str, set[str]] = {}
        waiting = [node for name in names for node in _nodes(Requirement(name))]
        seen = set(waiting)
        while waiting:
            source, extra = waiting.pop()
            for requirement in self._required(source, extra):
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
    def _modules(self) -> dict[str, str]:
        modules: dict[str, str] = {}
        for name in self.names:
            for module in _modules_of(self.distributions[name]):
                modules.setdefault(module, name)
        return modules

    @cached_property
    def _namespaces(self) -> dict[str, frozenset[str]]:
        """Folders that hold modules and are none themselves, with the distributions that fill them."""
        fills: dict[str, set[str]] = {}
        for module, name in self._modules.items():
            for parent in _parents(module):
                if parent in self._modules:
                    break
                fills.setdefault(parent, set()).add(name)
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
        for distribution in sorted(_read_folder(folder), key=lambda d: d.name):
            found.setdefault(distribution.name, distribution)
    return Installed(found, python)


def _read_folder(folder: Path) -> Iterator[Distribution]:
    for found in metadata.distributions(path=[os.fspath(folder)]):
        # the description below the headers is most of the file, and of no use here
        text = found.read_text("METADATA") or found.read_text("PKG-INFO") or ""
        headers = HeaderParser().parsestr(text.partition("\n\n")[0])
        if headers["Name"]:  # a folder that an uninstaller left half empty has none
            yield Distribution(
                canonicalize_name(headers["Name"]),
                headers["Version"] or "0",
                folder,
                tuple(_files(found)),
                tuple(headers.get_all("Requires-Dist", ())),
                tuple((found.read_text("top_level.txt") or "").split()),
            )


def _files(found: metadata.Distribution) -> list[str]:
    record = found.read_text("RECORD")
    if record is None:
        return [file.as_posix() for file in found.files or ()]
    return [row[0] for row in csv.reader(record.splitlines()) if row]


def _modules_of(distribution: Distribution) -> Iterator[str]:
    for file in distribution.files:
        *folders, last = file.split("/")
        match = _MODULE.fullmatch(last)
        parts = [*folders, match["stem"]] if match else []
        if parts and all(map(str.isidentifier, parts)) and "__pycache__" not in folders:
            yield ".".join(parts[:-1] if parts[-1] == "__init__" and folders else parts)
    if not distribution.files:
        yield from distribution.top_level


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


def _sizes(root: str, files: Iterable[str]) -> dict[str, int]:
    """Measure the files that exist, with the `.pyc` that Python wrote for them: RECORD lists none where uv installed.

    Reading whole folders takes a third of the time that asking for each file does.
    """
    wanted: dict[str, set[str]] = {}
    for file in files:
        folder, _, name = file.rpartition("/")
        wanted.setdefault(folder, set()).add(name)
    sizes: dict[str, int] = {}
    for folder, names in wanted.items():
        path = os.path.normpath(f"{root}/{folder}")
        stems = {name[:-3] for name in names if name.endswith(".py")}
        found = [entry for entry in _entries(path) if entry.name in names]
        if stems:
            found += [entry for entry in _entries(f"{path}/__pycache__") if _stem(entry.name) in stems]
        sizes |= {entry.path: entry.stat().st_size for entry in found if entry.is_file()}
    return sizes


def _stem(bytecode: str) -> str | None:
    return bytecode.partition(".")[0] if bytecode.endswith(".pyc") else None


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []  # RECORD names what a cleaner took away
