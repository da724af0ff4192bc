"""What names alone tell of an environment that nobody made: its distributions, as declared and as imports suggest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from nbslim.analyzer.distributions import Installed, marker_environment
from nbslim.analyzer.known_distributions import distribution_of
from nbslim.analyzer.metadata import Distribution
from nbslim.analyzer.names import SHARED, family, is_standard
from nbslim.analyzer.types import Requirements
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

# Parts of names that tell builds of one thing apart: opencv-python-headless provides what opencv-python does.
_BUILDS = frozenset(("binary", "contrib", "cpu", "gpu", "headless", "nightly"))


def declared_distributions(requirements: Requirements, modules: Collection[str], *, python: str) -> Installed:
    """Return the declared distributions, and those that `modules` suggest, as if they were installed.

    A version is known only where one is declared exactly; files and what they require never are.
    """
    versions = dict(_declared(requirements, python))
    provided: dict[str, set[str]] = {name: set() for name in versions}
    for module in modules:
        if module not in SHARED and not is_standard(module):
            provided.setdefault(_provider(module, versions), set()).add(family(module))
    return Installed(
        {
            name: Distribution(name, versions.get(name, ""), Path(), (), (), tuple(sorted(families)))
            for name, families in provided.items()
        },
        python,
    )


def _declared(requirements: Requirements, python: str) -> Iterator[tuple[str, str]]:
    """Yield names with the exact version that is asked for, if one is."""
    for specifier in requirements.specifiers:
        try:
            requirement = Requirement(specifier)
        except InvalidRequirement:
            continue  # whoever resolves the requirements reports it
        if requirement.marker is None or requirement.marker.evaluate(marker_environment(python)):
            exact = [one.version for one in requirement.specifier if one.operator in {"==", "==="}]
            version = exact[0] if len(exact) == 1 and "*" not in exact[0] else ""
            yield canonicalize_name(requirement.name), version


def _provider(module: str, declared: Collection[str]) -> str:
    """Name the distribution of a module: a declared one if its name fits, else the best known."""
    known = canonicalize_name(distribution_of(module))
    own = canonicalize_name(family(module).replace(".", "-"))
    if named := next((name for name in (known, own) if name in declared), None):
        return named
    return next((name for name in sorted(declared) if _build_of(name) == _build_of(known)), known)


def _build_of(name: str) -> list[str]:
    return [part for part in name.split("-") if part not in _BUILDS]
