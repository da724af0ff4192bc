"""Calls of a predictor that go on when the test lets them: what is under way is known, however slow the machine is."""

from __future__ import annotations

import json
import re
from pathlib import Path

from client import ask
from support import until

HELD = """
    def predictor(held):
        import os, threading, time
        if held:
            open(f"{held}/{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}", "x").close()
            while not os.path.exists(f"{held}/go"):
                time.sleep(0.01)
        return os.getpid()
"""
"""Answers 0 at once, and the body of a `Held` when that lets go; both with the process that does it."""


class Held:
    """Calls that wait."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.body = json.dumps(str(folder)).encode()

    @property
    def count(self) -> int:
        """How many calls have begun."""
        return len(list(self._folder.glob("*-*-*")))

    def wait(self, count: int = 1) -> None:
        """Wait until so many calls have begun."""
        until(lambda: self.count >= count)

    def let_go(self) -> None:
        """Let the calls end, also those that come later."""
        (self._folder / "go").touch()


def in_flight(port: int) -> int:
    """Return how many requests have arrived and are not answered, besides the one that asks."""
    metrics = ask(port, "/metrics").body.decode()
    return int(re.findall(r"^nbslim_requests_in_flight (\d+)$", metrics, re.MULTILINE)[0]) - 1
