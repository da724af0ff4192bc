"""Samples that the user has in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from nbslim.packer.errors import ArgumentError


def read_samples(path: Path) -> tuple[Any, ...]:
    """Return the samples in `path`: a JSON value on each line, empty lines aside. Raises ArgumentError."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise ArgumentError(f"--samples {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ArgumentError(f"--samples {path}: not UTF-8 at byte {error.start}") from error
    # Not splitlines(): JSON text may hold U+2028 as it is.
    lines = enumerate(text.split("\n"), 1)
    return tuple(_sample(path, number, line) for number, line in lines if line.strip())


def _sample(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line, parse_constant=_refuse)
    except ValueError as error:
        message = f"--samples {path}, line {number}: not JSON: {error}"
        raise ArgumentError(message, hint="each line holds one sample as JSON, such as [5.1, 3.5]") from error


def _refuse(constant: str) -> NoReturn:
    """Refuse what Python takes for JSON, and the server does not."""
    raise ValueError(f"{constant} is no JSON number")
