"""Read one JSON value from bytes, strictly."""

from __future__ import annotations

import json
from typing import NoReturn


class DecodeError(Exception):
    """The bytes are not one JSON value; the message says why, without quoting them."""


def decode(body: bytes) -> object:
    """Return the value; raise DecodeError where the bytes are empty, not UTF-8 or not JSON.

    NaN and Infinity are not JSON.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DecodeError(f"byte {error.start} is not UTF-8") from None
    if not text.strip():
        raise DecodeError("it is empty")
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise DecodeError("it is nested too deeply") from None
    except ValueError as error:
        raise DecodeError(str(error)) from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
