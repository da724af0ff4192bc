"""Where a distribution was installed from, if not from an index: a repository, an archive, a folder."""

from __future__ import annotations

import json
import re
from typing import Any

from nbslim.analyzer.types import Origin

_PASSWORD = re.compile(r"(?<=//)[^/@:]*:[^/@]*@")


def read_origin(text: str | None) -> Origin | None:
    """Read `direct_url.json` (PEP 610); None where there is none or it says nothing."""
    try:
        told = json.loads(text or "null")
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get("url"), str):
        return None
    vcs, folder, archive = (_table(told, f"{kind}_info") for kind in ("vcs", "dir", "archive"))
    fragments = {"subdirectory": told.get("subdirectory"), "sha256": _table(archive, "hashes").get("sha256")}
    return Origin(
        _PASSWORD.sub("", told["url"]),
        vcs=str(vcs.get("vcs", "")),
        commit=str(vcs.get("commit_id", "")),
        fragment="&".join(f"{key}={value}" for key, value in fragments.items() if value),
        editable=folder.get("editable") is True,
    )


def _table(parent: dict[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}
