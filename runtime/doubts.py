"""Ask cheap questions about JSON text before it is parsed; where they cannot tell, they count."""

from __future__ import annotations

import re
from itertools import accumulate

_BRACKETS = b'[]{}"'
_OTHERS = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_BLOCK = 1 << 16

# Two, since a search for [eE] takes ten times as long as one that begins with a certain byte.
_LARGE_EXPONENT = re.compile(rb"e\+?[0-9]{3}")
_LARGE_EXPONENT_E = re.compile(rb"E\+?[0-9]{3}")
_ZEROS = bytes.maketrans(b"123456789", b"000000000")
_MANY_DIGITS = b"0" * 200

_LONE_SURROGATE = re.compile(
    rb"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]", re.DOTALL
)


def masked(body: bytes) -> bytes:
    """Return `body` with escaped backslashes and quotes replaced, byte by byte: each quote ends or starts a string."""
    return body.replace(rb"\\", b"__").replace(rb"\"", b"__") if b"\\" in body else body


def deeper(body: bytes, limit: int) -> bool:
    """Return whether more than `limit` arrays and objects are inside each other, up to the first syntax error."""
    if len(body) <= limit:
        return False
    brackets = masked(body).translate(None, _OTHERS)
    if b'"' in brackets:
        brackets = b"".join(brackets.split(b'"')[::2])
    # Many rows are no depth; without their innermost pairs two levels at most are gone.
    if len(brackets.replace(b"[]", b"").replace(b"{}", b"")) + 2 <= limit:
        return False
    depth = 0
    # In blocks, so that ten million opening brackets are not all counted.
    for start in range(0, len(brackets), _BLOCK):
        block = brackets[start : start + _BLOCK].translate(_STEPS)
        depths = list(accumulate(memoryview(block).cast("b"), initial=depth))
        if max(depths) > limit:
            return True
        depth = depths[-1]
    return False


def has_large_number(body: bytes) -> bool:
    """Return whether a number may be above 1e300 or have 200 digits; a string may look like one."""
    if (b"e" in body and _LARGE_EXPONENT.search(body)) or (b"E" in body and _LARGE_EXPONENT_E.search(body)):
        return True
    return len(body) >= len(_MANY_DIGITS) and _MANY_DIGITS in body.translate(_ZEROS)


def lone_surrogate(body: bytes) -> int | None:
    r"""Return where an escape stands for half a character, such as \ud83d without \ude00 behind it."""
    if b"\\" not in body or (rb"\ud" not in body and rb"\uD" not in body):
        return None
    found = _LONE_SURROGATE.search(masked(body))
    return found.start() if found else None
