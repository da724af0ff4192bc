"""Refuse requests that waitress lets through: two servers must never read one request in two ways."""

from __future__ import annotations

import re
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]  # no types
from waitress.utilities import BadRequest, Error  # type: ignore[import-untyped]

_CODINGS = re.compile(rb"^transfer-encoding:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_TLS = b"\x16"
"""The first byte of a handshake, which would be waited on for a header's end."""


class VersionNotSupported(Error):  # type: ignore[misc]  # noqa: N818 - as waitress calls its others
    """A version of HTTP that is neither 1.0 nor 1.1."""

    code = 505
    reason = "HTTP Version Not Supported"


class StrictParser(HTTPRequestParser):  # type: ignore[misc]
    """Parses requests as waitress does, after RFC 9112 where that is stricter."""

    def received(self, data: bytes) -> Any:
        """Take what arrived; nobody is asked for the body of a request that is refused."""
        if self.body_rcv is None and not self.header_plus and data[:1] == _TLS:
            self.error, self.completed = BadRequest("this is TLS, and HTTP without it is spoken here"), True
            return len(data)
        taken = super().received(data)
        if self.error is not None:
            self.expect_continue = False
            self.error.body = self._reason(self.error)
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the header, or raise ParsingError."""
        try:
            super().parse_header(header_plus)
        except ValueError:
            raise ParsingError("the address or the length of the body cannot be read") from None
        if self.version == "1.1":
            self._check_host()
        elif self.version == "":
            raise ParsingError("the version of HTTP is missing")
        elif self.version != "1.0":
            self.error = VersionNotSupported(f"HTTP/{self.version} is not spoken here, HTTP/1.1 is")
        if self.path[:1] != "/" and self.path != "*" and not self.proxy_netloc:
            raise ParsingError("the address is no path")
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            self._check_framing(header_plus)

    def _reason(self, error: Error) -> str:
        if error.code == 413:
            return f"a body may have {self.adj.max_request_body_size - 1} bytes at most"  # waitress refuses its limit
        if error.code == 431:
            return (
                f"address and headers together may have {self.adj.max_request_header_size - 1} bytes at most"
            )
        return str(error.body).partition(' "')[0]  # without what it quotes

    def _check_host(self) -> None:
        host = self.headers.get("HOST")
        if host is None:
            raise ParsingError("the header Host is missing")
        if "," in host:
            raise ParsingError("the header Host comes twice")

    def _check_framing(self, header_plus: bytes) -> None:
        if "CONTENT_LENGTH" in self.headers:
            raise ParsingError("a body has a length or comes in chunks, not both")
        if not self.chunked:
            raise ParsingError("HTTP/1.0 knows no chunks")
        if [coding.strip().lower() for coding in _CODINGS.findall(header_plus)] != [b"chunked"]:
            raise ParsingError("a body can be in chunks once only")
