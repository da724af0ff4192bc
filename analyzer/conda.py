"""Which files conda put into an environment, for distributions that keep no list themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def noted_files(site_packages: Path) -> Mapping[str, Sequence[str]]:
    """Map names of metadata folders (`x-1.0.dist-info`) to their distributions' files, as conda's notes tell."""
    noted: dict[str, list[str]] = {}
    for prefix in site_packages.parents[1:3]:
        inside = f"{site_packages.relative_to(prefix).as_posix()}/"
        for note in sorted(prefix.glob("conda-meta/*.json")):
            own = [file.removeprefix(inside) for file in _files(note) if file.startswith(inside)]
            infos = {file.partition("/")[0] for file in own if file.endswith(("/METADATA", "/PKG-INFO"))}
            # a package of several distributions does not tell which of them a file belongs to
            noted |= {info: own for info in infos if len(infos) == 1}
    return noted


def _files(note: Path) -> Sequence[str]:
    try:
        files = json.loads(note.read_text("utf-8")).get("files", [])
    except (OSError, ValueError, AttributeError):
        return []
    return [file for file in files if isinstance(file, str)]
