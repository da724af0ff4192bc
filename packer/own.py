"""Put what nbslim itself is made of where another interpreter can import it."""

from __future__ import annotations

from pathlib import Path

import cloudpickle
import nbslim.runtime
from nbslim.packer.distributions import link_file

INSIDE_KERNEL = (
    "__init__.py",
    "inside_batched.py",
    "inside_company.py",
    "inside_derive.py",
    "inside_fit.py",
    "inside_helpers.py",
    "inside_inline.py",
    "inside_proof.py",
    "inside_rows.py",
    "inside_scope.py",
)
"""Modules that `inside_kernel.py` imports."""


def place_own_runtime(folder: Path) -> None:
    """Lay the modules of `nbslim.runtime` and its page into `folder`, which then goes on a `sys.path`."""
    for source in map(Path, nbslim.runtime.__path__):
        for path in sorted([*source.glob("*.py"), *source.glob("*.html")]):
            link_file(path, folder / "nbslim/runtime" / path.name)


def place_own_inside(folder: Path) -> None:
    """Lay what runs in the notebook's kernel beside the runtime."""
    package = Path(__file__).parent
    for name in INSIDE_KERNEL:
        link_file(package / name, folder / "nbslim/packer" / name)


def place_own_cloudpickle(folder: Path) -> None:
    """Lay nbslim's own cloudpickle into `folder`: it is Python alone, and any supported interpreter runs it."""
    for path in sorted(Path(cloudpickle.__file__).parent.glob("*.py")):
        link_file(path, folder / "cloudpickle" / path.name)
