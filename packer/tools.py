"""What a stage offers for its interpreter: how it is found, asked, and given distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.interpreter import Run
from nbslim.packer.pythons import Python, find_python
from nbslim.packer.uv import Runner, run_uv


@dataclass(frozen=True)
class Tools:
    """The host's tools, where nothing else is said."""

    cache: Path
    """Where environments are kept; those of another system have a folder of their own."""
    find: Callable[[str], Python] = find_python
    uv: Runner = run_uv
    ask: Run | None = None
    """Runs a command in the stage and returns its output; None: on the host."""
    root: Path = Path("/")
    """Where the stage's `/` lies on the host."""
