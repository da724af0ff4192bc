"""Infer a JSON Schema from values, and say where another value does not fit it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

TYPES = ("boolean", "integer", "number", "string", "array", "object", "null")
"""JSON's types in the order in which a schema names them."""

WIDTHS = (64, 16, 4, 0)
"""So many fields of an object, or items of an array, have a schema each; the next width where that is too large."""

DEPTH = 8
"""Below so many levels only the type is told."""

LARGEST = 16_000
"""So many characters of JSON a schema has at most, as long as a width makes it small enough."""

_BY_CLASS = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}


def infer(values: Sequence[object]) -> dict[str, Any]:
    """Return a schema (2020-12) that all of `values` fit; without values, the one that everything fits.

    It tells types, an array's length where all agree on it, a schema for each item where their types differ,
    an object's fields and which of them are always there. Other fields are possible. It is small, however
    large the values are: what has many fields has one schema for all of them.
    """
    schema: dict[str, Any] = {}
    for width in WIDTHS:
        schema = _infer(values, width, DEPTH)
        if len(json.dumps(schema)) <= LARGEST:
            break
    return schema


def mismatch(schema: Schema, value: object) -> str | None:
    """Return where and why `value` does not fit what `infer` wrote, None where it does; items count from 0."""
    for *steps, why in _differences(schema, value):
        return ": ".join(filter(None, [", ".join(steps), why]))
    return None


def types(schema: Schema) -> tuple[str, ...]:
    """Return the types that a schema allows, none where it allows all."""
    told = schema.get("type", ())
    return (told,) if isinstance(told, str) else tuple(told)


def _infer(values: Sequence[object], width: int, depth: int) -> dict[str, Any]:
    if not values:
        return {}
    found = {_BY_CLASS[type(value)] for value in values}
    if "number" in found:
        found.discard("integer")
    told = [name for name in TYPES if name in found]
    schema: dict[str, Any] = {"type": told[0] if len(told) == 1 else told}
    if depth:
        arrays = [value for value in values if isinstance(value, list)]
        objects = [value for value in values if isinstance(value, dict)]
        schema.update(_infer_arrays(arrays, width, depth - 1) if arrays else {})
        schema.update(_infer_objects(objects, width, depth - 1) if objects else {})
    return schema


def _infer_arrays(arrays: Sequence[Sequence[object]], width: int, depth: int) -> dict[str, Any]:
    length = len(arrays[0])
    if any(len(array) != length for array in arrays):
        return {"items": _infer([item for array in arrays for item in array], width, depth)}
    told: dict[str, Any] = {"minItems": length, "maxItems": length}
    positions = list(zip(*arrays)) if length <= width else []
    if _mixed(positions):
        return {"prefixItems": [_infer(items, width, depth) for items in positions], **told}
    items = _infer([item for array in arrays for item in array], width, depth)
    return {"items": items, **told} if items else told


def _mixed(positions: Sequence[Sequence[object]]) -> bool:
    """Return whether positions of an array differ in type; whether a number is whole or missing is no difference."""
    kinds = {frozenset(_BY_CLASS[type(item)] for item in items) - {"null"} for items in positions}
    numbers = {frozenset("number" if kind == "integer" else kind for kind in one) for one in kinds if one}
    return len(numbers) > 1


def _infer_objects(objects: Sequence[Mapping[str, object]], width: int, depth: int) -> dict[str, Any]:
    names = list(dict.fromkeys(name for one in objects for name in one))
    if len(names) > width:
        values = [value for one in objects for value in one.values()]
        return {"additionalProperties": _infer(values, width, depth)}
    properties = {name: _infer([one[name] for one in objects if name in one], width, depth) for name in names}
    required = [name for name in names if all(name in one for one in objects)]
    told = {"properties": properties, "required": required}
    return {keyword: value for keyword, value in told.items() if value}


def _differences(schema: Schema, value: object) -> Iterator[tuple[str, ...]]:
    """Yield the steps to each difference and, last, what it is."""
    if not schema:
        return
    expected = types(schema)
    if not _fits(value, expected):
        yield (f"expected {' or '.join(map(_one, expected))}, got {_one(_BY_CLASS[type(value)])}",)
    elif isinstance(value, list):
        yield from _differences_in_array(schema, value)
    elif isinstance(value, dict):
        yield from _differences_in_object(schema, value)


def _fits(value: object, expected: Sequence[str]) -> bool:
    kind = _BY_CLASS[type(value)]
    if kind == "integer":
        return "integer" in expected or "number" in expected
    whole = isinstance(value, float) and value.is_integer()  # 1.0 is an integer in JSON Schema
    return kind in expected or (whole and "integer" in expected)


def _differences_in_array(schema: Schema, value: list[object]) -> Iterator[tuple[str, ...]]:
    length = schema.get("maxItems", len(value))
    if len(value) != length:
        yield (f"expected {length} item{'' if length == 1 else 's'}, got {len(value)}",)
        return
    each = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
    for index, (one, item) in enumerate(zip(each, value)):
        for difference in _differences(one, item):
            yield (f"item {index}", *difference)


def _differences_in_object(schema: Schema, value: dict[str, object]) -> Iterator[tuple[str, ...]]:
    for name in schema.get("required", ()):
        if name not in value:
            yield (f"field {quoted(name)} is missing",)
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, item in value.items():
        for difference in _differences(properties.get(name, others), item):
            yield (f"field {quoted(name)}", *difference)


def quoted(name: str) -> str:
    """Return how a message names a field of an object: on one line, and a long name shortened."""
    return json.dumps(name if len(name) <= 60 else name[:59] + "…", ensure_ascii=False)


def _one(kind: str) -> str:
    if kind == "null":
        return kind
    return f"{'an' if kind[0] in 'aio' else 'a'} {kind}"
