"""How long `nbslim analyze` takes for a notebook of 30 cells, beside the import of what it cannot do without."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from nbslim.packer.environments import make_environment
from nbslim.packer.pythons import find_python
from notebooks import write_notebook
from support import CACHE, NBSLIM

ROUNDS = 9
FACTOR, WORK = 1.5, 0.3
"""The allowance: so many times the import, plus seconds of work."""
ENVIRONMENT = (
    "beautifulsoup4==4.12.3",
    "jinja2==3.1.4",
    "matplotlib==3.9.2",
    "numpy==2.1.0",
    "openpyxl==3.1.5",
    "pandas==2.2.3",
    "requests==2.32.3",
    "scikit-learn==1.5.2",
    "seaborn==0.13.2",
    "sqlalchemy==2.0.36",
    "statsmodels==0.14.4",
)
IMPORT = [sys.executable, "-c", "import libcst, nbformat"]


def table() -> None:
    """Print best and median seconds of runs in turn, and whether the analysis keeps within its allowance."""
    environment = make_environment(find_python("3.11"), ENVIRONMENT, cache=CACHE)
    cells = Path(__file__).with_name("notebook.txt").read_text().split("# %%\n")[2:]
    with tempfile.TemporaryDirectory() as folder:
        notebook = write_notebook(Path(folder, "n.ipynb"), *cells, requirements=ENVIRONMENT)
        analyze = [NBSLIM, "analyze", notebook, "--env", environment.folder]
        _seconds(analyze)  # fills caches
        rounds = [(_seconds(analyze), _seconds(IMPORT)) for _ in range(ROUNDS)]
    print(f"analyze --env: {len(cells) + 1} cells, {len(environment.lock)} distributions, {ROUNDS} runs each")
    print(f"{'seconds':>10}{'analyze':>10}{'import':>10}{'ratio':>10}{'allowed':>10}")
    for name, choose in (("best", min), ("median", median)):
        ours, others = (choose(column) for column in zip(*rounds, strict=True))
        allowed = FACTOR * others + WORK
        kept = "met" if ours <= allowed else "NOT MET"
        print(f"{name:>10}{ours:10.3f}{others:10.3f}{ours / others:10.2f}{allowed:10.3f}  {kept}", flush=True)


def _seconds(command: list[str | Path]) -> float:
    # bytecode must be where an installed nbslim has it
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=variables)
    return time.perf_counter() - start
