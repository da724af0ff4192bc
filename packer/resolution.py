"""Resolves requirements to exact versions, wheels first: building from source runs code and fails late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nbslim.packer.index import Index, wheels_but
from nbslim.packer.pythons import Python
from nbslim.packer.unsatisfied import read_declared, sources_needed
from nbslim.packer.uv import Runner, run_uv


@dataclass(frozen=True)
class Resolution:
    """Every distribution that the requirements resolve to, as `name==version` or `name @ URL`."""

    lock: tuple[str, ...]
    built: tuple[str, ...]
    """Names of those that have no wheel and are built from source."""
    warnings: tuple[str, ...]
    offline: bool = False
    """Whether no index could be reached, and uv's cache decided."""


def resolve(python: Python, specifiers: Sequence[str], *, run: Runner = run_uv) -> Resolution:
    """Resolve `specifiers` for `python`; what never had a wheel is built from source, with a warning.

    Raises RequirementsError that names the requirements at fault and says what would do instead.
    """
    declared = [read_declared(specifier) for specifier in specifiers]
    index = Index(python.executable, run)
    built = frozenset(d.name for d in declared if d.is_source)
    while not (answer := index.compile(specifiers, wheels_but(built))).good:
        built |= sources_needed(index, python, declared, built, answer)
    lock = tuple(line for line in answer.output.splitlines() if line[:1].isalnum())
    warnings = [f"{name} has no wheel and is built from source" for name in sorted(built)]
    if answer.offline:
        warnings.append("no package index can be reached: uv's cache decided the versions")
    return Resolution(lock, tuple(sorted(built)), tuple(warnings), answer.offline)
