"""`%load file.py` in a cell: Jupyter puts the text of the file there, as what the cell runs next."""

from __future__ import annotations

import re
from pathlib import Path

_LOAD = re.compile(r"\s*%?load(?:py)?[ \t]+(?:-[ny][ \t]+)?['\"]?(\S.*?)['\"]?\s*")


def loaded(source: str, folder: Path) -> str:
    """Return what a cell holds once it has loaded the script that it names, or `source` if it names none."""
    named = _LOAD.fullmatch(source)
    if not named:
        return source
    script = folder / (named[1] if named[1].endswith(".py") else f"{named[1]}.py")
    try:
        return f"# %load {named[1]}\n{script.read_text('utf-8')}"
    except (OSError, ValueError):  # not there, not text: the notebook fails on it, too
        return source
