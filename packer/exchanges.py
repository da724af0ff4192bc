"""HTTP requests made from samples: the same ones in other forms, and ones that are refused or raise."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

SAMPLES = 50
"""So many samples are sent as they are; replay scores all of them."""

VARIED = 3
"""So many samples are varied: others mostly have the same shape."""

VARIATIONS = 40
"""So many variations of them are sent at most."""

BATCH = "/predict/batch"

_STRANGERS: tuple[object, ...] = (None, "text", "", -1, 1e308, True, [], {}, [[None]])
"""Values of other types, in place of a whole sample or of a part of it."""


_OF_ITS_OWN = {"/metrics", "/info"}
"""What tells of the process itself, and of what slimming kept."""


@dataclass(frozen=True)
class Exchange:
    """A request, byte for byte, and what it is, for messages."""

    about: str
    request: bytes
    compared: bool = True
    """Whether the response must be the same: what tells of the image itself need not be."""


def exchanges(samples: Sequence[object]) -> tuple[Exchange, ...]:
    """Return the requests by which the image is compared with the full environment, the surest first.

    None of them changes what a sample means: a variation is a sample of its own, and what the full environment
    makes of it, an error perhaps, is the answer. Without samples there is nothing to compare.
    """
    if not samples:
        return ()
    sent = [_predict(f"sample {number}", one) for number, one in enumerate(samples[:SAMPLES], 1)]
    return (*sent, *_other_forms(samples[:1]), *_batches(samples[:SAMPLES]), *_protocol(), *_varied(samples))


def _other_forms(samples: Sequence[object]) -> Iterator[Exchange]:
    """Yield other ways to write the same JSON and the same request."""
    for sample in samples:
        body = _json(sample)
        yield Exchange("a sample as a form", _post(body, "Content-Type: application/x-www-form-urlencoded"))
        yield Exchange("a sample with a byte order mark", _post(b"\xef\xbb\xbf" + body))
        yield Exchange("an indented sample", _post(json.dumps(sample, indent=2).encode()))
        yield Exchange("an unescaped sample", _post(json.dumps(sample, ensure_ascii=False).encode()))
        yield Exchange("a sample in chunks", _chunked(body))
        yield Exchange("a sample in gzip", _post(gzip.compress(body, mtime=0), "Content-Encoding: gzip"))
        yield Exchange("a sample in deflate", _post(zlib.compress(body), "Content-Encoding: deflate"))
        yield Exchange("a sample by HTTP/1.0", _post(body).replace(b"HTTP/1.1", b"HTTP/1.0", 1))


def _batches(samples: Sequence[object]) -> Iterator[Exchange]:
    """Yield all samples as one request, whole and with a row that they are not like."""
    for about, rows in (
        ("all samples", samples),
        ("a strange row", [*samples, _STRANGERS[-1], *samples[:1]]),
    ):
        lines = b"".join(_json(row) + b"\n" for row in rows)
        yield Exchange(f"{about} in an array", _post(_json(rows), path=BATCH))
        yield Exchange(f"{about} in lines", _post(lines, "Content-Type: application/x-ndjson", path=BATCH))


def _protocol() -> Iterator[Exchange]:
    """Yield requests that have no sample, or none that can be read."""
    for path in ("/", "/openapi.json", "/info", "/healthz", "/readyz", "/metrics", "/nothing"):
        yield Exchange(f"GET {path}", _request("GET", path), compared=path not in _OF_ITS_OWN)
    yield Exchange("PUT /predict", _request("PUT", "/predict", b"[]"))
    bodies = (b"", b"{", b"NaN", b'"\xff"', b"[1,]", b"[" * 10_000, b'{"a": 1, "a": 2}', b"1e999")
    yield from (Exchange(f"the body {body[:20]!r}", _post(body)) for body in bodies)


def _varied(samples: Sequence[object]) -> Iterator[Exchange]:
    """Yield samples that the notebook does not have: all at once, too long, too short, with other types."""
    some = _spread([_variations(sample) for sample in samples[:VARIED]])
    told: set[bytes] = set()
    for value in chain([list(samples), *_STRANGERS], some):
        one = _json(value)
        if one not in told:
            told.add(one)
            yield _predict("a variation", value)
        if len(told) == VARIATIONS:  # a wide sample has many more, each as large as itself
            return


def _spread(sources: Iterable[Iterator[object]]) -> Iterator[object]:
    """Yield the first of each source, then the second of each, to the end of the longest."""
    waiting = deque(sources)
    while waiting:
        source = waiting.popleft()
        for value in islice(source, 1):
            yield value
            waiting.append(source)


def _variations(sample: object) -> Iterator[object]:
    if isinstance(sample, list):
        yield from (sample[:-1], [*sample, *sample[-1:]], [sample], [])
        yield from _replaced(sample)
    elif isinstance(sample, dict):
        yield from ({name: one for name, one in sample.items() if name != left} for left in sample)
        yield {**sample, "unknown": 0}
        yield from ({**sample, name: other} for name, old in sample.items() for other in _others(old))
    else:
        yield from _others(sample)
        yield [sample]


def _replaced(sample: list[object]) -> Iterator[object]:
    """Yield the list with its first and its last item replaced."""
    for index in sorted({0, len(sample) - 1} if sample else ()):
        for other in _others(sample[index]):
            yield [*sample[:index], other, *sample[index + 1 :]]


def _others(value: object) -> Iterator[object]:
    """Yield values in place of `value`: related ones, then strangers."""
    if isinstance(value, str):
        yield from (value.upper(), value + " ", value * 50, "\u00e9\u4e2d\U0001f600", "\u0000")
    elif isinstance(value, (int, float)):
        yield from (0, -value, value + 0.5, value * 1e6, str(value))
    yield from _STRANGERS


def _predict(about: str, sample: object) -> Exchange:
    return Exchange(about, _post(_json(sample)))


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _post(body: bytes, header: str = "Content-Type: application/json", path: str = "/predict") -> bytes:
    return _request("POST", path, body, header)


def _request(method: str, path: str, body: bytes = b"", header: str = "Accept: */*") -> bytes:
    length = f"Content-Length: {len(body)}" if body or method != "GET" else "Accept-Language: en"
    lines = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", header, length, "", "")
    return "\r\n".join(lines).encode() + body


def _chunked(body: bytes) -> bytes:
    head = (
        "POST /predict HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    parts = (body[:1], body[1:])
    return (
        head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
    )
