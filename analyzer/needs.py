"""What serving needs besides modules: files, environment variables, programs, metadata."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from nbslim.analyzer.statement import Resource
from nbslim.analyzer.types import Certainty, Need, Place

_METADATA = ("importlib.metadata", "importlib_metadata", "pkg_resources")
_STARTERS = ("subprocess", "os", "shutil", "asyncio")
_PATH = re.compile(r"(?!\w+://)[^\n\0]*(?:/[^\n\0]*|\.[A-Za-z]\w{0,9})")


def needs(
    found: Mapping[tuple[Place, Resource, str], tuple[Certainty, Place | None]], imports: Collection[str]
) -> dict[str, tuple[Need, ...]]:
    """Return what was found by its kind, without what only looks like it; `imports` are what the code imports."""
    kinds: dict[str, dict[Need, None]] = {}
    for (place, resource, text), (certainty, function) in found.items():
        if (name := _meant(resource, text, imports)) is not None:
            kinds.setdefault(resource.kind, {})[Need(name, place, certainty, function)] = None
    return {kind: tuple(sorted(found, key=lambda n: (n.place, n.name))) for kind, found in kinds.items()}


def _meant(resource: Resource, text: str, imports: Collection[str]) -> str | None:
    """Return what a text names, or None where the call is not what its name alone suggests."""
    if resource.kind == "file":
        return text if _PATH.fullmatch(text) or resource.callee == "open" else None
    if resource.kind in ("metadata", "entry points"):
        sure = _imported(resource.callee or "", _METADATA, imports)
        return text if sure or any(module in imports for module in _METADATA) else None
    if resource.kind == "program":
        function = (resource.callee or "").rpartition(".")[2]
        sure = "." in (resource.callee or "") or _imported(function, _STARTERS, imports)
        words = text.split()
        return words[0] if sure and words else None
    return text


def _imported(function: str, modules: Iterable[str], imports: Collection[str]) -> bool:
    return any(f"{module}.{function}" in imports for module in modules)
