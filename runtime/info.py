"""Tell what a bundle is and what it was made from."""

from __future__ import annotations

from typing import Any

from nbslim.runtime.bundle import FORMAT, Bundle


def info(bundle: Bundle) -> dict[str, Any]:
    """Return what `GET /info` answers; the OpenAPI document describes it."""
    return {
        "name": bundle.name,
        "notebook": bundle.notebook,
        "nbslim": bundle.packed_by,
        "python": bundle.python,
        "format": FORMAT,
        "level": bundle.level,
        "distributions": bundle.distributions,
        "samples": len(bundle.samples),
        "batches": "row by row" if bundle.predictor_batch is None else "at once",
    }
