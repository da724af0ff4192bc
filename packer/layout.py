"""Where things lie in an image, relative to its root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

DISTRIBUTIONS, RUNTIME, MODEL = "app/lib", "app/runtime", "app/model"
OWN = f"{RUNTIME}/nbslim"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def files_below(tree: Path) -> Iterator[str]:
    """Yield all files and links of `tree`, relative to it."""
    top = len(str(tree)) + 1
    for folder, folders, names in os.walk(tree):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        yield from (f"{folder}/{name}"[top:] for name in (*names, *links))
