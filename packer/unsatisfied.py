"""Finds out why requirements cannot be resolved, and what would do instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from nbslim.packer.index import Index, wheels_but
from nbslim.packer.pythons import SUPPORTED, Python
from nbslim.packer.uv import Answer, RequirementsError, failed
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

EVERY_PYTHON = ("2.7", *(f"3.{minor}" for minor in range(4, 15)))
"""The Pythons for which there are wheels."""

_Given = TypeVar("_Given")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Declared:
    """A requirement, as the user wrote it and as it reads."""

    specifier: str
    requirement: Requirement

    @property
    def name(self) -> str:
        """The distribution's name in normal form."""
        return canonicalize_name(self.requirement.name)

    @property
    def bare(self) -> str:
        """Name and versions (or address) without extras and marker: what to ask for another Python."""
        url = self.requirement.url
        return f"{self.requirement.name}{f' @ {url}' if url else self.requirement.specifier}"

    @property
    def pin(self) -> str | None:
        """The one version that it allows, if it is so narrow."""
        only = list(self.requirement.specifier)
        narrow = len(only) == 1 and only[0].operator == "==" and "*" not in only[0].version
        return only[0].version if narrow else None

    @property
    def is_source(self) -> bool:
        """Whether the user gives the address of a source archive, folder or repository: that may be built."""
        url = self.requirement.url
        return url is not None and not url.partition("#")[0].endswith(".whl")


@dataclass(frozen=True)
class _Finding:
    """What is wrong with a requirement that cannot be had even by itself."""

    declared: Declared
    problem: str
    pythons: tuple[str, ...] = ()
    """The Pythons for which it has a wheel."""
    source_only: bool = False


def read_declared(specifier: str) -> Declared:
    """Read a requirement; raises RequirementsError."""
    try:
        return Declared(specifier, Requirement(specifier))
    except InvalidRequirement as exc:
        message = f"requirement {specifier!r} cannot be read: {str(exc).splitlines()[0]}"
        raise RequirementsError(message, hint="write it as in numpy==2.1.0", specifier=specifier) from exc


def sources_needed(
    index: Index, python: Python, declared: Sequence[Declared], built: frozenset[str], failure: Answer
) -> frozenset[str]:
    """Return the distributions that must be built from source for a failed resolution to go on.

    Raises RequirementsError when that would not help.
    """
    if failure.code != 1:  # not an unlucky resolution, but settings of uv that cannot be read, and the like
        raise failed(["pip", "compile"], failure)
    alone = _parallel(lambda d: index.one(d.specifier, *wheels_but(built)), declared)
    findings = [_look(index, d) for d, answer in zip(declared, alone, strict=True) if not answer.good]
    hopeless = [finding for finding in findings if not finding.source_only]
    if hopeless:
        raise _unavailable(index, python, hopeless)
    blamed = [finding.declared for finding in findings] or _never_wheels(index, failure)
    needed = frozenset(d.name for d in blamed) - built
    if not needed:
        raise _explained(declared, failure)
    return needed


def _look(index: Index, declared: Declared) -> _Finding:
    pythons = _pythons(index, declared)
    if pythons:
        return _Finding(declared, f"{declared.specifier} has wheels for {_ranges(pythons)} only", pythons)
    answer = index.one(declared.bare)
    if answer.good:
        return _Finding(declared, f"{declared.specifier} has no wheel", source_only=True)
    if "was not found" in answer.problem:
        return _Finding(declared, f"no distribution is called {declared.requirement.name}")
    if "matching platform tag" in answer.problem:
        return _Finding(declared, f"{declared.specifier} has no wheel for this kind of machine")
    if re.search(r"no version of|[Oo]nly .* available", " ".join(answer.causes)):
        return _Finding(declared, f"{declared.specifier} does not exist")
    return _Finding(declared, f"{declared.specifier}: {_explanation(answer)}")


def _pythons(index: Index, declared: Declared) -> tuple[str, ...]:
    """Return the Pythons for which the requirement has a wheel, for this kind of machine."""
    found = _parallel(lambda v: index.version(declared.bare, "--python-version", v), EVERY_PYTHON)
    return tuple(v for v, version in zip(EVERY_PYTHON, found, strict=True) if version)


def _never_wheels(index: Index, failure: Answer) -> list[Declared]:
    """Return what uv found to have no wheel, deeper down, and what has none for any other Python either."""
    text = " ".join(failure.causes)
    named = re.findall(r"(?<!\S)([A-Za-z0-9][\w.-]*(?:[=<>!~]\S+)?) (?:has|have) no usable wheels", text)
    suspects = [read_declared(specifier) for specifier in dict.fromkeys(named)]
    return [d for d in suspects if not _pythons(index, d) and index.one(d.bare).good]


def _unavailable(index: Index, python: Python, findings: Sequence[_Finding]) -> RequirementsError:
    """Return one error for all requirements that cannot be had by themselves."""
    problems = "; ".join(finding.problem for finding in findings)
    message = f"not installable on Python {python.minor}: {problems}"
    nearest = [near for near in _parallel(lambda f: _nearest(index, f.declared), findings) if near]
    hints = [f"nearest with a wheel for Python {python.minor}: {', '.join(nearest)}"] if nearest else []
    if all(finding.pythons for finding in findings):
        hints.append(_other_python(findings))
    hint = "; ".join(hints) or "check the spelling, and the index settings of uv"
    return RequirementsError(message, hint=hint, specifier=findings[0].declared.specifier)


def _other_python(findings: Sequence[_Finding]) -> str:
    common = [v for v in SUPPORTED if all(v in finding.pythons for finding in findings)]
    if common:
        return f"or --python {common[-1]}, for which {'all of them have' if findings[1:] else 'it has'} one"
    return (
        f"no Python that nbslim supports ({SUPPORTED[0]} to {SUPPORTED[-1]}) has wheels for all that is asked"
    )


def _nearest(index: Index, declared: Declared) -> str | None:
    """Return the versions around a pin (around nothing: the oldest and the newest) that can be had."""
    if declared.requirement.url:
        return None
    name, lowest = declared.requirement.name, ("--resolution", "lowest")
    if declared.pin:
        around = [index.version(f"{name}<{declared.pin}"), index.version(f"{name}>{declared.pin}", *lowest)]
        return f"{name} {' or '.join(filter(None, around))}" if any(around) else None
    oldest, newest = index.version(name, *lowest), index.version(name)
    return f"{name} {oldest} to {newest}" if newest else None


def _explained(declared: Sequence[Declared], failure: Answer) -> RequirementsError:
    """Return the error for requirements that can be had one by one, but not together, or not built."""
    if failure.failed_build:
        return failed(["pip", "compile"], failure)
    explanation = _explanation(failure)
    named = [d for d in declared if re.search(rf"(?<![\w.-]){re.escape(d.name)}(?![\w-])", explanation)]
    first = named[0].specifier if named else None
    hint = f"loosen one of {', '.join(d.specifier for d in named)}" if named else None
    return RequirementsError(f"the requirements conflict: {explanation}", hint=hint, specifier=first)


def _explanation(failure: Answer) -> str:
    """Return uv's explanation as one line of bearable length."""
    causes = [cause for cause in failure.causes if not cause.startswith("No solution found")]
    text = causes[0] if causes else f"uv failed with code {failure.code} and does not say why"
    text = re.sub(r",? ?we can conclude that your requirements are unsatisfiable\.?$", "", text)
    return text if len(text) <= 400 else f"{text[:400].rpartition(' ')[0]} ..."


def _ranges(pythons: Iterable[str]) -> str:
    """Say `Python 2.7 and 3.4 to 3.7`."""
    runs: list[list[str]] = []
    for version in pythons:
        major, minor = version.split(".")
        if runs and runs[-1][-1] == f"{major}.{int(minor) - 1}":
            runs[-1].append(version)
        else:
            runs.append([version])
    spans = [run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs]
    return f"Python {' and '.join(spans)}"


def _parallel(function: Callable[[_Given], _Found], values: Iterable[_Given]) -> list[_Found]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(function, values))
