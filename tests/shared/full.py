"""A bundle served in the notebook's whole environment, as it was installed: the measure for what slimming leaves."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from nbslim.packer.environments import Environment, make_runtime, runtime_requirements
from nbslim.packer.own import place_own_runtime
from nbslim.packer.prepare import install, plan
from nbslim.packer.pythons import find_python
from nbslim.packer.tools import Tools
from support import CACHE, Packed, free_port, wait_until_ready


def full_environment(case: Path) -> Environment:
    """Return the environment that packing the case's notebook makes, from the tests' own cache."""
    found = plan(case / "notebook.ipynb")
    return install(found, find_python(found.version), Tools(CACHE))


@contextlib.contextmanager
def serving_full(image: Packed, temporary: Path) -> Iterator[str]:
    """Serve the bundle of a packed notebook in its full environment; yields the service's address."""
    environment = full_environment(image.case)
    runtime = make_runtime(environment.python, runtime_requirements(), cache=CACHE)
    place_own_runtime(temporary)
    port = free_port()
    path = os.pathsep.join(map(str, (environment.site_packages, runtime, temporary)))
    process = subprocess.Popen(
        [environment.executable, "-m", "nbslim.runtime", image.archive.parent / "bundle"],
        env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PORT": str(port)},
        stderr=subprocess.DEVNULL,  # a traceback for each sample that raises
        cwd="/",
    )
    try:
        wait_until_ready(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(60)
