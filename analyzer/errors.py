"""The errors that nbslim reports to its user; anything else is a bug."""

from __future__ import annotations

import re


class NbslimError(Exception):
    """The input or the machine is at fault, not nbslim.

    The message is one line: what, where and the value; `hint` says what to do. `exit_code` is the command's.
    """

    exit_code = 5

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class NotebookError(NbslimError):
    """The notebook cannot be read or understood."""

    exit_code = 3


class RequirementsError(NbslimError):
    """The notebook's requirements cannot be installed."""

    exit_code = 4


def shown(text: str) -> str:
    """Shorten a value for a message, and hide the password that its URL may hold."""
    text = re.sub(r"//[^/@\s]+@", "//***@", " ".join(text.split()))
    return text if len(text) <= 80 else f"{text[:77]}..."
