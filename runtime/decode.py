"""Read one JSON value from bytes, strictly."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from nbslim.runtime.doubts import deeper, has_large_number, lone_surrogate
from nbslim.runtime.places import place, place_of, place_of_repeated_key

MAX_DEPTH = 100
MAX_DIGITS = 4300
"""Of an integer: Python's own limit, which its older releases lack; there a long one takes a long time."""
KINDS = {
    "not-json": "The body is not JSON",
    "too-deep": "The body is nested too deeply",
    "duplicate-key": "The body has a key twice in one object",
    "not-finite": "The body has a number that is not finite",
    "too-many-digits": "The body has an integer of too many digits",
    "not-unicode": "The body has text that is not Unicode",
    "broken-encoding": "The body is not what its Content-Encoding says",
}
"""What a DecodeError can be, and a title for it."""

_BOM = b"\xef\xbb\xbf"
_SPACE = " \t\n\r"


class DecodeError(Exception):
    """The bytes are not one acceptable JSON value; the message says why and where, without quoting them."""

    def __init__(self, message: str, kind: str = "not-json") -> None:
        super().__init__(message)
        self.kind = kind
        """One of KINDS; clients may rely on it."""


class _UnwantedError(Exception):
    """What a hook of the parser refuses; `token` is its text, None for a repeated key."""

    def __init__(self, kind: str, reason: str, token: str | None = None) -> None:
        super().__init__(kind, reason)
        self.kind = kind
        self.reason = reason
        self.token = token


class Decoder:
    """Reads JSON with at most `max_depth` arrays and objects inside each other, and NaN only where asked for."""

    def __init__(self, *, max_depth: int = MAX_DEPTH, nan: bool = False) -> None:
        self._max_depth = max_depth
        hooks: dict[str, Any] = {"object_pairs_hook": _object}
        if not nan:
            hooks["parse_constant"] = _constant
        numbers: dict[str, Any] = {"parse_int": _integer, "parse_float": float if nan else _finite}
        self._parse = json.JSONDecoder(**hooks).raw_decode
        # Hooks for numbers cost more than all the rest.
        self._parse_carefully = json.JSONDecoder(**hooks, **numbers).raw_decode

    def decode(self, body: bytes) -> object:
        """Return the value, or raise DecodeError where the bytes are anything but UTF-8 and one JSON value.

        A byte order mark may be first. Refused are a key that comes twice in an object, half of a surrogate pair,
        numbers that are not finite, and integers with more than 4300 digits.
        """
        body = body.removeprefix(_BOM)
        if deeper(body, self._max_depth):
            raise DecodeError(f"it is nested more than {self._max_depth} deep", "too-deep")
        try:
            value = self._value(body, body.decode())
        except UnicodeDecodeError as error:
            raise DecodeError(f"byte {error.start} is not UTF-8") from None
        except json.JSONDecodeError as error:
            reason = error.msg[:1].lower() + error.msg[1:].removesuffix(" at")
            raise DecodeError(f"{reason} at line {error.lineno}, column {error.colno}") from None
        except _UnwantedError as error:
            raise DecodeError(_with_place(error, body), error.kind) from None
        except RecursionError:
            raise DecodeError("it is nested too deeply", "too-deep") from None
        half = lone_surrogate(body)
        if half is not None:
            raise DecodeError(f"half of a surrogate pair at {place(body, half)}", "not-unicode")
        return value

    def _value(self, body: bytes, text: str) -> object:
        start = 0 if text[:1] not in _SPACE else len(text) - len(text.lstrip(_SPACE))
        if start == len(text):
            raise DecodeError("it is empty")
        parse = self._parse_carefully if has_large_number(body) else self._parse
        value, end = parse(text, start)
        if end != len(text):
            rest = text[end:].lstrip(_SPACE)
            if rest:
                raise json.JSONDecodeError("more than one value", text, len(text) - len(rest))
        return value


def decode(body: bytes) -> object:
    """Return the value that a Decoder with the default limits reads, or raise DecodeError."""
    return _DEFAULT.decode(body)


def _with_place(error: _UnwantedError, body: bytes) -> str:
    where = place_of_repeated_key(body) if error.token is None else place_of(error.token, body)
    return f"{error.reason} at {where}" if where else error.reason


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _UnwantedError("duplicate-key", "a key comes twice in one object")
    return found


def _constant(token: str) -> NoReturn:
    raise _UnwantedError("not-finite", f"{token} is not JSON", token)


def _finite(token: str) -> float:
    number = float(token)
    if math.isinf(number):
        raise _UnwantedError("not-finite", "a number too large for a float", token)
    return number


def _integer(token: str) -> int:
    if len(token.lstrip("-")) > MAX_DIGITS:
        raise _UnwantedError("too-many-digits", f"an integer of more than {MAX_DIGITS} digits", token)
    try:
        return int(token)
    except ValueError:  # PYTHONINTMAXSTRDIGITS is lower
        raise _UnwantedError("too-many-digits", "an integer of too many digits", token) from None


_DEFAULT = Decoder()
