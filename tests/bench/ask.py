"""What a service is asked: rows as its own protocol spells them, and where the answers are in its response."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ask:
    """How one row, or many, are asked for at once."""

    path: str
    spell: Callable[[list[Any]], Any]
    read: Callable[[Any], list[Any]]

    def body(self, samples: Sequence[dict]) -> bytes:
        """Return the request's body for the inputs of `samples`."""
        return json.dumps(self.spell([sample["input"] for sample in samples])).encode()

    def answers(self, address: str, samples: Sequence[dict]) -> list[Any]:
        """Return what the service at `address` answers to `samples`; OSError where that is an error."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(address + self.path, self.body(samples), headers)
        with urllib.request.urlopen(request, timeout=30) as response:
            return self.read(json.load(response))

    def is_right(self, address: str, samples: Sequence[dict]) -> bool:
        """Tell whether the answers are the notebook's own."""
        return self.answers(address, samples) == [sample["answer"] for sample in samples]
