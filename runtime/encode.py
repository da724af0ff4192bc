"""Turn what a predictor answers into JSON text, numpy's and pandas' values by duck typing."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import enum
import functools
import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence, Set, ValuesView
from pathlib import PurePath
from typing import Any

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class EncodeError(Exception):
    """A value that JSON cannot hold; the message names its type."""


def encode(value: object) -> str:
    """Return `value` as compact JSON text that can be encoded as UTF-8, or raise EncodeError."""
    write = _SCALARS.get(type(value))
    if write is not None:
        return write(value)
    try:
        return _text(plain(value))
    except RecursionError:
        raise EncodeError(f"a value of type {_name(value)} is nested too deeply or holds itself") from None


def _text(value: object) -> str:
    text = _ENCODER.encode(value)
    # A lone surrogate has no UTF-8; its backslash form is JSON's own escape.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


@functools.singledispatch
def plain(value: object) -> object:
    """Return `value` as JSON would give it back: None, bool, int, float, str, list and dict alone.

    NaN, infinities, NaT and NA are None. Dates and times are ISO 8601 text, to the microsecond for numpy's;
    durations are seconds; bytes are base64 text. Sets are sorted, by their JSON text where their members do
    not compare. A Decimal is a number where the number's text reads back as the same decimal, else text. A
    Series or Index is a list, a DataFrame a list of records, a dataclass an object, a named tuple a list.
    Raises EncodeError for anything else.
    """
    if not isinstance(value, type):
        tolist = getattr(value, "tolist", None)
        if callable(tolist):
            return _array(value, tolist)
        if hasattr(value, "iloc") and hasattr(value, "columns"):
            return _records(value)
        if dataclasses.is_dataclass(value):
            return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        # Without an import: most predictors need no decimals, and nobody has one who has not imported them.
        if isinstance(value, getattr(sys.modules.get("decimal"), "Decimal", ())):
            return _decimal(value)
        if type(value).__name__ == "NAType":  # pandas.NA, whose comparisons cannot be asked
            return None
    raise EncodeError(f"a value of type {_name(value)} cannot be written as JSON")


@plain.register(type(None))
@plain.register(bool)
def _same(value: object) -> object:
    return value


# Subclasses of the built-in types (numpy's float64 and str_, IntEnum, ...) lose what they add.
plain.register(int, int)
plain.register(str, str.__str__)
plain.register(PurePath, str)


@plain.register(float)
def _finite(value: float) -> float | None:
    if _is_scalar(value):  # numpy's float64
        _SCALARS[type(value)] = _number
    return float(value) if math.isfinite(value) else None


def _decimal(value: Any) -> float | str | None:
    from decimal import Decimal  # noqa: PLC0415 - it is there, since a value is

    if not value.is_finite():
        return None
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


@plain.register(datetime.date)
@plain.register(datetime.time)
def _moment(value: datetime.date | datetime.time) -> str | None:
    return value.isoformat() if _equals_itself(value) else None


@plain.register(datetime.timedelta)
def _duration(value: datetime.timedelta) -> float | None:
    return value.total_seconds() if _equals_itself(value) else None


@plain.register(bytes)
@plain.register(bytearray)
@plain.register(memoryview)
def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


@plain.register(enum.Enum)
def _member(value: enum.Enum) -> object:
    return plain(value.value)


@plain.register(Sequence)
@plain.register(ValuesView)
def _items(value: Sequence[object] | ValuesView[object]) -> list[object]:
    return [plain(item) for item in value]


@plain.register(Set)
def _sorted(value: Set[object]) -> list[object]:
    items = [plain(item) for item in value]
    try:
        return sorted(items)  # type: ignore[type-var]  # trying is how one learns whether they compare
    except TypeError:
        return sorted(items, key=encode)


@plain.register(Mapping)
def _object(value: Mapping[object, object]) -> dict[str, object]:
    items = {_key(key): plain(item) for key, item in value.items()}
    if len(items) != len(value):
        raise EncodeError(f"two keys of a {_name(value)} are the same text in JSON")
    return items


def _key(key: object) -> str:
    text = plain(key)
    if isinstance(text, str):
        return text
    if isinstance(text, (list, dict)):
        raise EncodeError(f"a key of type {_name(key)} cannot be written as JSON")
    return json.dumps(text)


def _records(frame: object) -> object:
    if not getattr(getattr(frame, "columns", None), "is_unique", False):
        raise EncodeError(f"a value of type {_name(frame)} has two columns of one name")
    return plain(frame.to_dict(orient="records"))  # type: ignore[attr-defined]  # known by its shape alone


def _array(value: object, tolist: Callable[[], object]) -> object:
    """Return the items of numpy's scalars and arrays, pandas' Series, Index and arrays, torch's tensors."""
    dtype = getattr(value, "dtype", None)
    if getattr(dtype, "names", None):
        return _fields(value)
    # Only numpy's own: pandas' `tolist` gives timestamps of its own, which are datetimes.
    if getattr(dtype, "kind", "") in {"M", "m"} and hasattr(value, "tobytes"):
        return plain(_moments(value))
    if getattr(dtype, "str", "")[1:] in {"f12", "f16"}:  # numpy's `tolist` gives no Python type
        return plain(value.astype("f8").tolist())  # type: ignore[attr-defined]  # known by its shape alone
    items = tolist()
    own: Any = type(items)
    write = _SCALARS.get(own)
    if write is not None and _is_scalar(value):
        _SCALARS[type(value)] = lambda scalar: write(own(scalar))
    if type(items) is type(value):
        raise EncodeError(f"a value of type {_name(value)} cannot be written as JSON")
    return plain(items)


def _is_scalar(value: object) -> bool:
    """Return whether a value is a number of numpy's; an array, which has a length, could be of any other type."""
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    return kind in {"b", "i", "u", "f"} and not hasattr(value, "__len__")


def _number(value: float) -> str:
    return float.__repr__(value) if math.isfinite(value) else "null"


_SCALARS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    float: _number,
    str: _text,
}
"""What writes values of a type without a look at their parts; of numpy's numbers, those that were seen."""


def _fields(value: Any) -> list[object]:
    """Return a structured value of numpy's: the list of its fields, or of its items."""
    return [plain(item) for item in (value if value.ndim else map(value.__getitem__, value.dtype.names))]


def _moments(value: Any) -> object:
    """Return what numpy's `tolist` gives for moments and durations where these are no bare integers."""
    kind, unit = value.dtype.str[1:3], value.dtype.str[3:]
    whole = value.astype(f"{kind}[us]") if unit in {"[ns]", "[ps]", "[fs]", "[as]"} else value
    if int in map(type, whole.ravel().tolist()):
        raise EncodeError(f"a value of type {value.dtype} has no place in Python's datetime")
    return whole.tolist()


def _equals_itself(value: object) -> bool:
    """Return False for pandas.NaT, which calls itself a datetime."""
    return bool(value == value)  # noqa: PLR0124 - that is the test for NaT


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
