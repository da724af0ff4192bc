"""Where joblib lays the bytes of arrays between the opcodes of a pickle, and how many there are."""

from __future__ import annotations

import math
import re
from typing import IO, Any

_CHUNK = 1 << 20
_BYTES_OF_A_LETTER = 4


def follows(made: Any) -> bool:
    """Tell whether the bytes of an array follow in the stream as soon as the state of `made` is set."""
    return made.maker is not None and made.maker.name == "NumpyArrayWrapper"


def skip_array(stream: IO[bytes], state: Any) -> bool:
    """Pass over the bytes of the array that a wrapper's state describes; returns False where it holds objects.

    Raises ValueError where the state tells no size.
    """
    shape, kind = state.get("shape"), state.get("dtype")
    code = _code(kind)
    if not isinstance(shape, tuple) or not all(isinstance(length, int) for length in shape) or code is None:
        raise ValueError("an array of unknown size")
    if _holds_objects(kind):
        return False
    if isinstance(state.get("numpy_array_alignment_bytes"), int):
        _skip(stream, stream.read(1)[0])
    letter, width = code
    _skip(stream, math.prod(shape) * width * (_BYTES_OF_A_LETTER if letter == "U" else 1))
    return True


def _code(kind: Any) -> tuple[str, int] | None:
    """Return letter and width of a dtype, as its first argument tells them: `f8`, `U12`, `V16`."""
    arguments = getattr(kind, "get", lambda _: None)("arguments")
    code = arguments[0] if isinstance(arguments, tuple) and arguments else None
    match = re.fullmatch(r"[<>=|]?([a-zA-Z])(\d+).*", code) if isinstance(code, str) else None
    return (match[1], int(match[2])) if match else None


def _holds_objects(value: Any) -> bool:
    code = _code(value)
    if code and code[0] == "O":
        return True
    inner = value if isinstance(value, tuple) else [part for _, part in getattr(value, "parts", ())]
    return any(_holds_objects(part) for part in inner)


def _skip(stream: IO[bytes], count: int) -> None:
    while count > 0:
        read = len(stream.read(min(count, _CHUNK)))
        if not read:
            raise ValueError("the file ends inside an array")
        count -= read
