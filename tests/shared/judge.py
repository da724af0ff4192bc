"""Decide how batches of a predictor are scored, as the kernel does; as a command, for all in `predictors`."""

from __future__ import annotations

import json
import linecache
import sys
from pathlib import Path
from typing import Any

from nbslim.packer.inside_batched import Form, batched_form
from nbslim.packer.inside_proof import proved
from nbslim.runtime.scoring import EntryPoints, score
from predictors import DERIVED, LOOPED, SETUP, cell, samples_of


def run_cells(*sources: str) -> dict[str, Any]:
    """Run cells as a kernel does, and return what they define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, text in enumerate(sources, 1):
        name = f"<cell {number}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec", dont_inherit=True), namespace)
    return namespace


def decide(namespace: dict[str, Any], samples: list[Any]) -> tuple[Form, EntryPoints]:
    """Return the form that is proved for what cells have defined, and what scores one row."""
    names = ("predictor", "validator", "predictor_batch")
    entries = {name: namespace[name] for name in names if name in namespace}
    points = EntryPoints(entries["predictor"], entries.get("validator"))
    texts = [json.dumps(sample) for sample in samples]
    records = [(text, score(points, json.loads(text)).record(json.loads(text))) for text in texts]
    return proved(batched_form(entries, namespace), points, records), points


def main() -> None:
    """Write form and reason of each into the file that is named: the predictors may print."""
    told = {}
    for name, text in {**DERIVED, **{name: text for name, (text, _) in LOOPED.items()}}.items():
        form, _ = decide(run_cells(SETUP, cell(text)), samples_of(name))
        told[name] = [form.form, form.reason]
    Path(sys.argv[1]).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
