"""Describe the service of one bundle as an OpenAPI 3.1 document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nbslim.runtime.bundle import Bundle
from nbslim.runtime.openapi_schemas import ref, schemas
from nbslim.runtime.plain import LINES
from nbslim.runtime.problems import JSON, PROBLEM
from nbslim.runtime.samples import answered, examples
from nbslim.runtime.schema import Schema

EXAMPLES = 5
"""So many samples are in the document."""

BATCH = 3
"""So many of them are the example of a batch."""

VERSION = 12
"""So many digits of the notebook's SHA-256 are the version of the service."""

PROBLEMS = {
    "400": "The request or its JSON cannot be read, or the sample is refused",
    "408": "The request did not come in time",
    "413": "The body is larger than this service takes",
    "415": "The body has a Content-Encoding that this service does not know",
    "431": "The request's headers are too large",
    "500": "The validator, the predictor or the service failed, or the answer cannot be written as JSON",
    "501": "The request's transfer encoding is not chunked",
    "503": "The service is not ready, or it is stopping",
    "505": "The request's version of HTTP is not 1.0 or 1.1",
}

_Examples = Sequence[Mapping[str, Any]]


def openapi(bundle: Bundle, *, enforced: bool = False) -> dict[str, Any]:
    """Return the document; `enforced` says whether a sample must be like the notebook's own to be scored."""
    shown = [record for _, record in examples(answered(bundle.samples), EXAMPLES)]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": bundle.name,
            "version": bundle.notebook[:VERSION] or "unknown",
            "description": "Predictions of the function `predictor` of a notebook.",
        },
        "paths": {
            "/predict": {"post": _predict(shown)},
            "/predict/batch": {"post": _predict_batch(shown[:BATCH])},
            **{path: {"get": operation} for path, operation in _about_the_service().items()},
        },
        "components": {
            "schemas": schemas(bundle.samples, enforced=enforced),
            "responses": {
                f"Problem{status}": _response(about, PROBLEM, ref("schemas", "Problem"))
                for status, about in PROBLEMS.items()
            },
            "headers": {
                "X-Request-ID": {
                    "description": "What the log calls this request",
                    "required": True,
                    "schema": {"type": "string"},
                }
            },
        },
    }


def _about_the_service() -> dict[str, dict[str, Any]]:
    text, status = {"type": "string"}, ref("schemas", "Status")
    return {
        "/": _get("page", "A page for people", "text/html", text),
        "/openapi.json": _get("openapi", "This document", JSON, {"type": "object"}),
        "/info": _get("info", "What is served, and what it was made from", JSON, ref("schemas", "Info")),
        "/healthz": _get("live", "Whether the process answers", JSON, status),
        "/readyz": _get("ready", "Whether samples are scored", JSON, status),
        "/metrics": _get("metrics", "Figures in Prometheus' text format", "text/plain", text),
    }


def _predict(shown: _Examples) -> dict[str, Any]:
    answer = _response("The bare answer", JSON, ref("schemas", "Answer"), _named(shown, "answer"))
    return {
        "operationId": "predict",
        "summary": "Score one sample",
        "description": "The body is read as JSON, whatever its Content-Type says; compressed or not (gzip, deflate).",
        "requestBody": {
            "required": True,
            "content": {JSON: _content(ref("schemas", "Sample"), _named(shown, "input"))},
        },
        "responses": {"200": answer, **_problems(*PROBLEMS)},
    }


def _predict_batch(shown: _Examples) -> dict[str, Any]:
    def content(many: str, one: str, schema: str) -> dict[str, Any]:
        whole = {many: {"value": [record[one] for record in shown]}} if shown else {}
        return {
            JSON: _content({"type": "array", "items": ref("schemas", schema)}, whole),
            LINES: _content({"type": "string"}, {}),
        }

    answers = {
        "description": "The bare answers, in the order of the samples; or one line for each line, "
        '`{"answer": ...}` or `{"error": ...}` with a problem document',
        "headers": _headers(),
        "content": content("answers", "answer", "Answer"),
    }
    rows = {
        status: _response(about, PROBLEM, ref("schemas", "BatchProblem"))
        for status, about in (("400", "Rows are refused"), ("500", "Rows failed"))
    }
    return {
        "operationId": "predictBatch",
        "summary": "Score many samples",
        "description": f"A JSON array of samples, or a sample on each line with the Content-Type {LINES}. "
        "Of an array, all samples get an answer or none; of lines, each has its own.",
        "requestBody": {"required": True, "content": content("samples", "input", "Sample")},
        "responses": {"200": answers, **_problems(*PROBLEMS), **rows},
    }


def _get(operation: str, summary: str, media: str, schema: Schema) -> dict[str, Any]:
    responses = {"200": _response(summary, media, schema), **_problems(*PROBLEMS.keys() - {"415"})}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _problems(*statuses: str) -> dict[str, Any]:
    return {status: ref("responses", f"Problem{status}") for status in sorted(statuses)}


def _response(
    about: str, media: str, schema: Schema, named: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {"description": about, "headers": _headers(), "content": {media: _content(schema, named or {})}}


def _headers() -> dict[str, Any]:
    return {"X-Request-ID": ref("headers", "X-Request-ID")}


def _content(schema: Schema, named: Mapping[str, Any]) -> dict[str, Any]:
    return {"schema": schema, **({"examples": named} if named else {})}


def _named(shown: _Examples, part: str) -> dict[str, Any]:
    return {f"sample{number}": {"value": record[part]} for number, record in enumerate(shown, 1)}
