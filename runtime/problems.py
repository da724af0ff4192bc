"""Problem documents (RFC 9457): what a client is told of an error, under a type that does not change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbslim.runtime.encode import encode

PROBLEM = "application/problem+json"
JSON = "application/json"


@dataclass(frozen=True)
class Response:
    """What goes back, whatever carries it; `type` is the body's media type."""

    status: int
    type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """An error that a client may read: nothing in it comes from a traceback, a path or a pickle."""

    def __init__(
        self, status: int, kind: str, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.members: dict[str, object] = {}
        """What this problem says besides, such as the rows of a batch."""

    @property
    def type(self) -> str:
        """The URI that names the kind of problem; where the status says all, RFC 9457's own."""
        return f"urn:nbslim:{self.kind}" if self.kind else "about:blank"

    def document(self) -> dict[str, object]:
        """Return the document as a JSON object."""
        named = {"type": self.type, "title": self.title, "status": self.status, "detail": self.detail}
        return {**named, **self.members}

    def response(self) -> Response:
        """Return the document as a response."""
        return Response(self.status, PROBLEM, encode(self.document()).encode(), tuple(self.headers.items()))
