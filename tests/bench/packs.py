"""Where the time of analyze and pack goes, beside what uv needs for the same environment, and when packing again."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from examples import Examples
from support import CASES, ROOT, run_nbslim
from uv import find_uv_bin

FIRST, CHANGED, SAME = "empty cache", "changed predictor", "the same again"
ALLOWED = {FIRST: 20, CHANGED: 6, SAME: 2}
"""Seconds that a pack of kmeans may take, the notebook's own run aside."""


def table(examples: Examples) -> None:
    """Print for each example the seconds of each step that its receipt names."""
    print(
        "seconds, warm caches; pack/uv: pack without the notebook's own run, to `uv pip install` and a plain copy"
    )
    rows = {}
    for case in CASES:
        seconds, receipt = analyze_seconds(case), examples.packed(case).receipt
        uv = uv_seconds(receipt)
        own = sum(value for step, value in receipt["seconds"].items() if step != "notebook")
        rows[case.name] = {"analyze": seconds, **receipt["seconds"], "uv+copy": uv, "pack/uv": own / uv}
    print_rows(rows)


def again(examples: Examples) -> None:
    """Print what packing kmeans takes with an empty cache, with a changed predictor, and unchanged."""
    print(
        "seconds of packing kmeans (nbslim's cache empty, uv's warm), then with another predictor, then once more"
    )
    print("pack: the command from start to end; beyond: without the notebook's own run, as far as it ran")
    examples.packed(ROOT / "fixtures/kmeans")  # fills uv's cache
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder, "kmeans")
        shutil.copytree(ROOT / "fixtures/kmeans", case)
        for title in ALLOWED:
            if title == CHANGED:
                change_predictor(case / "notebook.ipynb")
            rows[title] = pack_seconds(case, Path(folder))
    print_rows(rows)
    for title, allowed in ALLOWED.items():
        kept = "met" if rows[title]["beyond"] <= allowed else "NOT MET"
        print(
            f"{title}: {rows[title]['beyond']:.2f} s beyond the notebook's own run, allowed: {allowed} s  {kept}"
        )


def print_rows(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print a table with a column for each key of any row."""
    titles = list(dict.fromkeys(title for row in rows.values() for title in row))
    first, width = max(map(len, rows)) + 2, max(map(len, titles)) + 2
    print(" " * first + "".join(f"{title:>{width}}" for title in titles))
    for name, row in rows.items():
        cells = (f"{row[title]:.2f}" if title in row else "-" for title in titles)
        print(f"{name:>{first}}" + "".join(f"{cell:>{width}}" for cell in cells), flush=True)


def analyze_seconds(case: Path) -> float:
    start = time.monotonic()
    run_nbslim("analyze", case / "notebook.ipynb")
    return time.monotonic() - start


def change_predictor(notebook: Path) -> None:
    document = json.loads(notebook.read_text())
    for cell in document["cells"]:
        source = "".join(cell["source"])
        cell["source"] = source.replace("def predictor(x):\n", "def predictor(x):\n    x = list(x)\n")
    notebook.write_text(json.dumps(document))


def pack_seconds(case: Path, folder: Path) -> dict[str, float]:
    """Pack the case with a cache in `folder`; return the seconds of the command and of its steps."""
    start = time.monotonic()
    result = run_nbslim(
        "pack", case / "notebook.ipynb", "--engine", "oci", "--output", folder / "image.tar", "--json",
        variables={"NBSLIM_CACHE": str(folder / "cache")},
    )  # fmt: skip
    whole = time.monotonic() - start
    assert result.returncode == 0, result.stderr
    receipt = json.loads(result.stdout)
    # A remembered receipt tells what the first pack took.
    steps = {} if receipt["cached"]["pack"] else receipt["seconds"]
    return {"pack": whole, "beyond": whole - steps.get("notebook", 0), **steps}


def uv_seconds(receipt: dict) -> float:
    """Install the same distributions, dropped ones included, and copy them once, as a one-stage build does."""
    lock = "\n".join(f"{d['name']}=={d['version']}" for d in (*receipt["distributions"], *receipt["dropped"]))
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        environment = Path(folder, "environment")
        minor = receipt["python"].rpartition(".")[0]
        subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", minor, environment], check=True)
        install = [find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", environment]
        subprocess.run([*install, "--no-deps", "-r", "-"], input=lock, text=True, check=True)
        shutil.copytree(environment, Path(folder, "copy"), symlinks=True)
        return time.monotonic() - start
