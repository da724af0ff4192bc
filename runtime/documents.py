"""What a service tells of its bundle; imported when it is first asked for, which for most services is never."""

from __future__ import annotations

from nbslim.runtime.bundle import Bundle
from nbslim.runtime.encode import encode
from nbslim.runtime.problems import JSON, Response

# ruff: noqa: PLC0415 - see above


def page(bundle: Bundle, *, enforced: bool) -> Response:
    """Return the page for people; `enforced` says whether samples must be like the notebook's own."""
    from nbslim.runtime.page import HEADERS, page

    return Response(200, "text/html; charset=utf-8", page(bundle, enforced=enforced).encode(), HEADERS)


def openapi(bundle: Bundle, *, enforced: bool) -> Response:
    """Return the OpenAPI document."""
    from nbslim.runtime.openapi import openapi

    return Response(200, JSON, encode(openapi(bundle, enforced=enforced)).encode())


def info(bundle: Bundle, *, enforced: bool) -> Response:  # noqa: ARG001 - as the others are called
    """Return what the bundle is and what it was made from."""
    from nbslim.runtime.info import info

    return Response(200, JSON, encode(info(bundle)).encode())


DOCUMENTS = {"/": page, "/openapi.json": openapi, "/info": info}
"""By the path at which each is served."""
