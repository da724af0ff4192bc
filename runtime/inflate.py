"""Undo a body's Content-Encoding, up to a size."""

from __future__ import annotations

from nbslim.runtime.decode import DecodeError

ACCEPTED = "gzip, deflate"
"""The encodings, as Accept-Encoding spells them; x-gzip and identity are known, too."""

_GZIP, _ZLIB, _RAW = 31, 15, -15
"""zlib's names for what is around the deflated data."""


class UnsupportedEncodingError(Exception):
    """The encoding is not known, or there are several; the message says what is."""


class TooLargeError(Exception):
    """The inflated body is larger than the limit; the message names it."""


def inflate(body: bytes, encoding: str, limit: int) -> bytes:
    """Return `body` without its encoding, at most `limit` bytes.

    Raises UnsupportedEncodingError; TooLargeError as soon as the limit is passed; and DecodeError where the data are
    broken, cut off or followed by others.
    """
    name = encoding.strip(" \t").lower()
    if name in {"", "identity"}:
        if len(body) > limit:
            raise _too_large(limit)
        return body
    if name in {"gzip", "x-gzip"}:
        return _inflated(body, "gzip", _GZIP, limit)
    if name == "deflate":
        return _inflated(body, name, _ZLIB if _has_zlib_header(body) else _RAW, limit)
    raise UnsupportedEncodingError(f"a body may be encoded once, as one of {ACCEPTED}")


def _inflated(body: bytes, name: str, form: int, limit: int) -> bytes:
    import zlib  # noqa: PLC0415 - most services never need it

    inflater = zlib.decompressobj(form)
    try:
        # One byte more tells what is too large from what just fits; a limit of 0 would mean none.
        found = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise _broken(f"it is not {name}: {_reason(error)}") from None
    if len(found) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise _broken(f"its {name} data end too early")
    if inflater.unused_data:
        raise _broken(f"there is more behind its {name} data")
    return found


def _has_zlib_header(body: bytes) -> bool:
    """Return whether it is deflate as RFC 9110 means it, in zlib's format; browsers have sent it bare."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the inflated body is larger than {limit} bytes")


def _broken(reason: str) -> DecodeError:
    return DecodeError(reason, "broken-encoding")


def _reason(error: Exception) -> str:
    """Return zlib's own words: "Error -3 while decompressing data: incorrect data check"."""
    return str(error).rpartition(": ")[2]
