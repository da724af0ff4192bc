"""Tell what a bundle is and what it was made from."""

from __future__ import annotations

from typing import Any

from nbslim.runtime.bundle import FORMAT, Bundle


def info(bundle: Bundle) -> dict[str, Any]:
    """Return what `GET /info` answers."""
    return {
        "name": bundle.name,
        "python": bundle.python,
        "format": FORMAT,
        "samples": len(bundle.samples),
    }
