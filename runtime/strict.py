"""Refuse requests that waitress lets through: two servers must never read one request in two ways."""

from __future__ import annotations

import re
from typing import Any

from nbslim.runtime.chunks import Chunks
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]  # no types
from waitress.utilities import BadRequest, Error  # type: ignore[import-untyped]

_CODINGS = re.compile(rb"^transfer-encoding:([^\r\n]*(?:\r\n[ \t])?)", re.IGNORECASE | re.MULTILINE)
"""With the beginning of a line that continues it, as no coding has it."""
_HOST = re.compile(r"(\[[\w.:%]+\]|[\w.~!$&'()*+;=%-]*)(:[0-9]*)?", re.ASCII)
_TLS = b"\x16"
"""The first byte of a handshake, which would be waited on for a header's end."""


class VersionNotSupported(Error):  # type: ignore[misc]  # noqa: N818 - as waitress calls its others
    """A version of HTTP that is neither 1.0 nor 1.1."""

    code = 505
    reason = "HTTP Version Not Supported"


class StrictParser(HTTPRequestParser):  # type: ignore[misc]
    """Parses requests as waitress does, after RFC 9112 where that is stricter."""

    body_rcv: Any

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
        if not self.request_uri.isprintable():
            raise ParsingError("the address has characters that none may have")
        self._check_host()
        if self.version == "":
            raise ParsingError("the version of HTTP is missing")
        if self.version not in {"1.0", "1.1"}:
            self.error = VersionNotSupported(f"HTTP/{self.version} is not spoken here, HTTP/1.1 is")
        if self.path[:1] != "/" and self.path != "*" and not self.proxy_netloc:
            raise ParsingError("the address is no path")
        if b"transfer-encoding" in header_plus.lower():
            self._check_framing(header_plus)
        if self.chunked:
            self.body_rcv = Chunks(self.body_rcv.buf)
        if "," in self.headers.get("CONNECTION", ""):
            self._read_connection()

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
            if self.version == "1.1":
                raise ParsingError("the header Host is missing")
        elif "," in host:
            raise ParsingError("the header Host comes twice")
        elif not _HOST.fullmatch(host):
            raise ParsingError("the header Host names none")

    def _check_framing(self, header_plus: bytes) -> None:
        codings = [coding.strip(b" \t").lower() for coding in _CODINGS.findall(header_plus)]
        if not codings:
            return
        if "CONTENT_LENGTH" in self.headers:
            raise ParsingError("a body has a length or comes in chunks, not both")
        if self.version == "1.0":
            raise ParsingError("HTTP/1.0 knows no chunks")
        if codings != [b"chunked"]:
            raise ParsingError("a body can be in chunks once only")

    def _read_connection(self) -> None:
        """Find in a list of options the one that waitress would find alone."""
        options = {option.strip(" \t").lower() for option in self.headers["CONNECTION"].split(",")}
        if "close" in options:
            self.headers["CONNECTION"] = "close"
            self.connection_close = True
        elif "keep-alive" in options:
            self.headers["CONNECTION"] = "keep-alive"
            self.connection_close = False
