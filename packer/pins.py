"""The user's pins always win; one that the runtime cannot work with is an error, not a broken image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nbslim.analyzer import RequirementsError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def check_pins(serving: Mapping[str, str], runtime: Iterable[str]) -> None:
    """Raise RequirementsError if a kept distribution is a version that the runtime does not work with.

    `serving` maps PEP 503 names to versions; `runtime` are the runtime's requirements.
    """
    for requirement in map(Requirement, runtime):
        version = serving.get(canonicalize_name(requirement.name))
        if version is not None and not requirement.specifier.contains(version, prereleases=True):
            message = f"serving needs {requirement.name}=={version}, and the image's server {requirement}"
            raise RequirementsError(message, hint=f"require {requirement}, or do without it in the predictor")
