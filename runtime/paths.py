"""Make the user's distributions importable, `.pth` files included, ahead of the runtime's own."""

from __future__ import annotations

import site
import sys
from collections.abc import Mapping
from pathlib import Path


def add_distributions(environ: Mapping[str, str]) -> None:
    """Do for the distributions' folder what `site.addsitedir` does, but keep the order of `sys.path`.

    The folder is NBSLIM_DISTRIBUTIONS or `/app/lib`; where there is none, nothing happens. It keeps its place
    on `sys.path`, or gets one just before the runtime's; what its `.pth` files add comes right after it.
    """
    path = Path(environ.get("NBSLIM_DISTRIBUTIONS") or "/app/lib").absolute()
    if not path.is_dir():
        return
    folder = str(path)
    if folder not in sys.path:
        sys.path.insert(_place_of_the_runtime(), folder)
    before = set(sys.path)
    site.addsitedir(folder)
    added = [entry for entry in sys.path if entry not in before]
    sys.path[:] = [entry for entry in sys.path if entry in before]
    after = sys.path.index(folder) + 1
    sys.path[after:after] = added


def _place_of_the_runtime() -> int:
    root = str(Path(__file__).parents[2])
    return sys.path.index(root) if root in sys.path else len(sys.path)
