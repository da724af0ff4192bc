"""Say what the bodies of requests and responses look like, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nbslim.runtime.samples import Record, answer_schema, answered, input_schema
from nbslim.runtime.schema import Schema, types


def ref(kind: str, name: str) -> dict[str, str]:
    """Return what stands for a component of the document."""
    return {"$ref": f"#/components/{kind}/{name}"}


_PROBLEM_SCHEMA: dict[str, Any] = {
    "description": "A problem document (RFC 9457)",
    "type": "object",
    "properties": {
        "type": {"type": "string", "description": "Which problem it is", "examples": ["urn:nbslim:refused"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}

_ROW_SCHEMA = {
    "type": "object",
    "properties": {
        "row": {"type": "integer", "minimum": 0, "description": "Which sample, counted from 0"},
        **{word: {"type": "string"} for word in ("type", "title", "detail")},
    },
    "required": ["row", "type", "title", "detail"],
}

_BATCH_PROBLEM_SCHEMA: dict[str, Any] = {
    **_PROBLEM_SCHEMA,  # no reference to it: generators of clients take nothing beside one
    "description": "A problem document; `rows` is there where the array itself could be read",
    "properties": {**_PROBLEM_SCHEMA["properties"], "rows": {"type": "array", "items": _ROW_SCHEMA}},
}

_STATUS_SCHEMA = {"type": "object", "properties": {"status": {"type": "string"}}, "required": ["status"]}

_INFO = {
    "name": {"type": "string"},
    "notebook": {"type": "string", "description": "The SHA-256 of the notebook's file"},
    "nbslim": {"type": "string", "description": "The version that packed it"},
    "python": {"type": "string"},
    "format": {"type": "integer", "description": "The bundle's"},
    "level": {
        "type": ["string", "null"],
        "description": "How far the image was slimmed; null: this is no image",
    },
    "distributions": {
        "type": "object",
        "description": "What is kept, with versions",
        "additionalProperties": {"type": "string"},
    },
    "samples": {"type": "integer", "description": "How many the notebook has"},
    "batches": {"type": "string", "enum": ["at once", "row by row"], "description": "How they are scored"},
}


def schemas(records: Sequence[Record], *, enforced: bool) -> dict[str, Any]:
    """Return the schemas of samples, answers and problems; see `openapi`."""
    count = len(answered(records))
    shown = f"Inferred from {count or 'no'} sample{'' if count == 1 else 's'} of the notebook"
    open_to_all = {
        "description": f"{shown}; nothing enforces it: any JSON value goes to the validator",
        "anyOf": [ref("schemas", "LikeSamples"), {}],
    }
    closed = {"description": f"{shown}; what is not like them is refused", **ref("schemas", "LikeSamples")}
    answer = _loosened(answer_schema(records))
    return {
        "Sample": closed if enforced else open_to_all,
        "LikeSamples": input_schema(records),
        "Answer": {"description": f"{shown}; nothing enforces it", **answer},
        "Problem": _PROBLEM_SCHEMA,
        "BatchProblem": _BATCH_PROBLEM_SCHEMA,
        "Status": _STATUS_SCHEMA,
        "Info": {"type": "object", "properties": _INFO, "required": [*_INFO]},
    }


def _loosened(schema: Schema) -> dict[str, Any]:
    """Return the schema without what a few answers cannot show: lengths, and which fields are always there.

    A number may be null: that is how one that is not finite is written.
    """
    loose = {word: one for word, one in schema.items() if word not in {"minItems", "maxItems", "required"}}
    told = types(schema)
    if "number" in told and "null" not in told:
        loose["type"] = [*told, "null"]
    for word in ("items", "additionalProperties"):
        if word in schema:
            loose[word] = _loosened(schema[word])
    if "prefixItems" in schema:
        loose["prefixItems"] = [_loosened(one) for one in schema["prefixItems"]]
    if "properties" in schema:
        loose["properties"] = {name: _loosened(one) for name, one in schema["properties"].items()}
    return loose
