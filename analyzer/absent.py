"""What served code reaches out for and no image has: programs, and files outside of the notebook's folder."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from nbslim.analyzer.types import Closure, Notebook

_THERE = "python3"
"""The only program of an image."""


def absent(notebook: Notebook, closure: Closure) -> Iterator[str]:
    """Yield a warning for each program and each file that serving surely asks for in vain."""
    for need in closure.programs:
        if need.certainty == "certain" and posixpath.basename(need.name) != _THERE:
            yield f"{notebook.path.name}, {need.place}: the image has no program {need.name}"
    for need in closure.files:
        if need.certainty == "certain" and leads_out(need.name):
            yield (
                f"{notebook.path.name}, {need.place}: the image does not have {need.name}, which is not in the "
                "notebook's folder"
            )


def leads_out(file: str) -> bool:
    """Tell whether a path names something outside of the folder from which it starts, or the folder itself."""
    path = posixpath.normpath(file)
    return path.startswith(("/", "~")) or path.partition("/")[0] in {".", ".."}
