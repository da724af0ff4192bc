"""Where the time of analyze and pack goes, beside what uv needs for the same environment."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from support import CASES, run_nbslim
from uv import find_uv_bin


def table() -> None:
    """Print a line for each example."""
    steps = ("plan", "environment", "notebook", "slim", "sizes", "image")
    titles = ["fixture", "analyze", *steps, "uv+copy", "pack/uv"]
    print(
        "seconds, warm caches; pack/uv: pack without the notebook's own run, to `uv pip install` and a plain copy"
    )
    print("".join(f"{title:>13}" for title in titles))
    for case in CASES:
        seconds, receipt = analyze_seconds(case), packed(case)
        uv = uv_seconds(receipt)
        own = sum(value for step, value in receipt["seconds"].items() if step != "notebook")
        row = [seconds, *(receipt["seconds"][step] for step in steps), uv, own / uv]
        print(f"{case.name:>13}" + "".join(f"{value:>13.2f}" for value in row), flush=True)


def analyze_seconds(case: Path) -> float:
    start = time.monotonic()
    run_nbslim("analyze", case / "notebook.ipynb")
    return time.monotonic() - start


def packed(case: Path) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "pack",
            case / "notebook.ipynb",
            "--engine",
            "oci",
            "--output",
            Path(folder, "image.tar"),
            "--json",
        ]
        result = run_nbslim(*command)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


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
