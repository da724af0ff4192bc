"""Distributions that serving asks for by name: to read their metadata, or for the plugins that they register."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.types import Certainty, Chain, Closure, Link, Need, Notebook
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


@dataclass(frozen=True)
class NeededDistribution:
    """A distribution that code asks for without importing anything of it."""

    name: str
    certainty: Certainty
    why: Chain


def needed_by_name(closure: Closure, installed: Installed) -> Iterator[NeededDistribution]:
    """Yield the installed ones: those whose metadata are read, and those that offer what is looked up."""
    for need in closure.metadata:
        if (name := _distribution(need)) in installed.distributions:
            yield NeededDistribution(name, need.certainty, _chain(closure, need))
    for need in closure.entry_point_groups:
        for name in installed.entry_point_owners(need.name):
            yield NeededDistribution(name, need.certainty, _chain(closure, need))


def missing_by_name(notebook: Notebook, closure: Closure, installed: Installed) -> Iterator[str]:
    """Yield a warning for each whose metadata are read and that is not installed."""
    for need in closure.metadata:
        if _distribution(need) not in installed.distributions:
            yield f"{notebook.path.name}, {need.place}: no installed distribution is called {need.name}"


def _distribution(need: Need) -> str:
    """Return the name in normal form; `pkg_resources` takes a whole requirement."""
    try:
        return canonicalize_name(Requirement(need.name).name)
    except InvalidRequirement:
        return canonicalize_name(need.name)


def _chain(closure: Closure, need: Need) -> Chain:
    name, place = next(iter(closure.entry_points.items()))
    return Link(name, place), Link(need.name, need.place)
