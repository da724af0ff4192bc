"""Tell what a bundle is and what it was made from."""

from __future__ import annotations

import dataclasses
from typing import Any

from nbslim.runtime.bundle import FORMAT, Bundle
from nbslim.runtime.scoring import EntryPoints

_NOT_TOLD = {"samples", *(field.name for field in dataclasses.fields(EntryPoints))}


def info(bundle: Bundle) -> dict[str, Any]:
    """Return what `GET /info` answers: what the manifest says, the number of samples, and how batches are scored."""
    told = {field.name: getattr(bundle, field.name) for field in dataclasses.fields(bundle)}
    return {
        **{name: value for name, value in told.items() if name not in _NOT_TOLD},
        "format": FORMAT,
        "samples": len(bundle.samples),
        "batches": "row by row" if bundle.predictor_batch is None else "at once",
    }
