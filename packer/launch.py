"""Starts Python programs in a stage with an environment that no command line shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from nbslim.packer.workspace import Workspace

LAUNCH = Path(__file__).with_name("inside_launch.py")


def launching(
    workspace: Workspace, python: Path, arguments: Sequence[str], variables: Mapping[str, str]
) -> list[str]:
    """Return the stage's command line that runs `python` with `arguments`, and `variables` as its whole environment.

    They wait in a file that only this user can read, until the program has started.
    """
    file = workspace.sockets / "environment.json"
    file.touch(0o600)
    file.write_text(json.dumps(dict(variables)))
    return [str(python), "-I", str(LAUNCH), str(file), *arguments]
