"""The user's pins win over the runtime's; what the runtime cannot work with is found here, at pack time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nbslim.packer.uv import RequirementsError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def check_pins(serving: Mapping[str, str], runtime: Sequence[str]) -> None:
    """Raise RequirementsError where `serving` keeps a distribution in a version that the runtime cannot work with.

    `serving` maps names (PEP 503) to versions; `runtime` are requirements, such as `falcon<5,>=4`.
    """
    needed = [Requirement(text) for text in runtime]
    clashes = [(name, wanted) for wanted in needed if (name := _unfit(wanted, serving))]
    if not clashes:
        return
    problems = [f"{name} {serving[name]} is kept, but the runtime needs {wanted}" for name, wanted in clashes]
    name, _ = clashes[0]
    require = " and ".join(str(wanted) for _, wanted in clashes)
    hint = f"require {require}, or let the predictor do without {' and '.join(name for name, _ in clashes)}"
    raise RequirementsError("; ".join(problems), hint=hint, specifier=f"{name}=={serving[name]}")


def _unfit(wanted: Requirement, serving: Mapping[str, str]) -> str | None:
    """Return the distribution's name if it is kept in a version other than `wanted`."""
    name = canonicalize_name(wanted.name)
    kept = name in serving and not wanted.specifier.contains(serving[name], prereleases=True)
    return name if kept else None
