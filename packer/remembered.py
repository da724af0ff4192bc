"""Documents that nbslim's cache keeps, each under the hash of all that decides what it says."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from nbslim.packer.cache import used


def key_of(*parts: object) -> str:
    """Return a name that is another one whenever one of `parts`, plain values or paths, is."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:32]


def recall(folder: Path, key: str) -> Any:
    """Return the document that `folder` keeps under `key`; None if there is none, or none that can be read."""
    path = folder / f"{key}.json"
    if not used(path):
        return None
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def remember(folder: Path, key: str, document: object) -> None:
    """Keep `document`, plain values, under `key`; readers see all of it or nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    aside = folder / f".{uuid4().hex}"
    aside.write_text(json.dumps(document), "utf-8")
    aside.replace(folder / f"{key}.json")
