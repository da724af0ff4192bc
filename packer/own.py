"""Put `nbslim.runtime` itself where another interpreter can import it."""

from __future__ import annotations

from pathlib import Path

import nbslim.runtime
from nbslim.packer.distributions import link_file


def place_own_runtime(folder: Path) -> None:
    """Lay the modules of `nbslim.runtime` into `folder`, which then goes on a `sys.path`."""
    for source in nbslim.runtime.__path__:
        for path in sorted(Path(source).glob("*.py")):
            link_file(path, folder / "nbslim/runtime" / path.name)
