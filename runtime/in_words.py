"""Say in words what a schema expects."""

from __future__ import annotations

from nbslim.runtime.schema import Schema, quoted, types

FIELDS = 12
"""So many fields or positions are named; the others are counted."""


def in_words(schema: Schema) -> str:
    """Return a phrase for what fits `schema`: `an array of 2 numbers`."""
    if not schema:
        return "any JSON value"
    return " or ".join(_one(kind, schema) for kind in types(schema))


def _one(kind: str, schema: Schema) -> str:
    if kind == "null":
        return "null"
    return f"{'an' if kind[0] in 'aio' else 'a'} {kind}{_inside(kind, schema)}"


def _many(schema: Schema) -> str:
    return " or ".join(f"{kind}s{_inside(kind, schema)}" for kind in types(schema)) or "values"


def _inside(kind: str, schema: Schema) -> str:
    if kind == "array":
        return _items(schema)
    return _fields(schema) if kind == "object" else ""


def _items(schema: Schema) -> str:
    length = schema.get("maxItems")
    if length == 0:
        return " without items"
    if "prefixItems" in schema:
        return f" of {length} items: {_list([in_words(one) for one in schema['prefixItems']])}"
    if "items" not in schema:
        return ""
    if length == 1:
        return f" of 1 item, {in_words(schema['items'])}"
    return f" of {'' if length is None else f'{length:,} '}{_many(schema['items'])}"


def _fields(schema: Schema) -> str:
    if "additionalProperties" in schema:
        return f" whose values are {_many(schema['additionalProperties'])}"
    if "properties" not in schema:
        return ""
    told = [_field(name, one, schema) for name, one in schema["properties"].items()]
    return f" with {_list(told)}"


def _field(name: str, schema: Schema, parent: Schema) -> str:
    always = name in parent.get("required", ())
    return f"{quoted(name)} ({in_words(schema)}{'' if always else ', not always'})"


def _list(words: list[str]) -> str:
    if len(words) > FIELDS:
        return ", ".join(words[:FIELDS]) + f" and {len(words) - FIELDS} more"
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
