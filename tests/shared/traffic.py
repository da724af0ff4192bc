"""HTTP requests that are drawn for a service from its samples, and what services answer them."""

from __future__ import annotations

import functools
import http.client
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from inputs import extreme, like, mistyped, places, replaced, reshaped

SEED = 4
KINDS = {"valid": 100, "reshaped": 100, "mistyped": 120, "extreme": 120, "malformed": 120, "protocol": 60}
"""How many requests of each kind are drawn for a service; few of them are drawn twice."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW")
_PATHS = (
    "/",
    "/predict/",
    "/Predict",
    "//predict",
    "/predict/1",
    "/healthz",
    "/readyz",
    "/pr%C3%A9dict",
    "/%2e%2e",
)
_TYPES = (
    "application/json", "application/json; charset=latin-1", "text/plain", "application/xml", "image/png",
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "no type", "",
)  # fmt: skip
_TOKENS = (
    "NaN", "Infinity", "-Infinity", "1e999", "1e-999", "0x10", "01", "1.", ".5", "+1", "1_000", "None", "True",
    "'x'", '"\t"', '"\\x"', "1" * 4300, "1" * 4301, "[1,]", "{1: 2}", '{"a": 1, "a": 2}', "// 1", "",
)  # fmt: skip
"""What is no JSON value, or at the limits of one."""
_DEPTHS = (10, 100, 900, 990, 1000, 1100, 100_000)


@dataclass(frozen=True)
class Request:
    """A request; a body in several pieces is sent in chunks."""

    kind: str
    body: tuple[bytes, ...]
    method: str = "POST"
    path: str = "/predict"
    content_type: str = "application/json"

    def __str__(self) -> str:
        body = " + ".join(_shortened(piece) for piece in self.body)
        return f"{self.kind}: {self.method} {self.path} as {self.content_type!r}: {body}"


@dataclass(frozen=True)
class Answer:
    """What came back; a connection that ended without an answer has status 0 and the error's name as its body."""

    status: int
    content_type: str | None
    body: bytes

    @property
    def outcome(self) -> str:
        """The problem's type, which says what became of a sample, or else the status."""
        if self.status in (400, 500) and self.content_type == "application/problem+json":
            return str(json.loads(self.body)["type"])
        return str(self.status)

    def __str__(self) -> str:
        return f"{self.status} {self.content_type} {_shortened(self.body)}"


def draw_requests(samples: Sequence[Any]) -> list[Request]:
    """Return distinct requests of each kind, the same in every run."""
    strategies = {
        "valid": _sound("valid", like(samples)),
        "reshaped": _sound("reshaped", reshaped(samples)),
        "mistyped": _sound("mistyped", mistyped(samples)),
        "extreme": _sound("extreme", extreme(samples)),
        "malformed": _malformed(samples),
        "protocol": _unusual(samples),
    }
    return [request for kind, strategy in strategies.items() for request in _drawn(strategy, KINDS[kind])]


def answers(address: str, requests: Sequence[Request]) -> Iterator[Answer]:
    """Send the requests one after the other, over one connection as long as the service keeps it."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    for request in requests:
        try:
            yield _answer(connection, request)
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            yield Answer(0, None, type(error).__name__.encode())
    connection.close()


def _answer(connection: http.client.HTTPConnection, request: Request) -> Answer:
    body = request.body[0] if len(request.body) == 1 else iter(request.body)
    connection.request(request.method, request.path, body, {"Content-Type": request.content_type})
    response = connection.getresponse()
    return Answer(response.status, response.headers["Content-Type"], response.read())


def _drawn(strategy: st.SearchStrategy[Request], count: int) -> list[Request]:
    found: dict[Request, None] = {}

    @seed(SEED)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def collect(request: Request) -> None:
        found[request] = None

    collect()
    return list(found)


def _sound(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Request]:
    return st.builds(Request, st.just(kind), st.tuples(values.map(_encoded)))


def _malformed(samples: Sequence[Any]) -> st.SearchStrategy[Request]:
    """Draw bodies that are no JSON value, or just about one."""
    bodies, cuts = like(samples).map(_encoded), st.floats(0, 1, exclude_max=True)
    broken = st.one_of(
        st.builds(lambda body, cut: _cut(body, cut)[0], bodies, cuts),
        st.builds(lambda body, cut: b"\xff".join(_cut(body, cut)), bodies, cuts),
        st.builds(_with_token, like(samples), cuts, st.sampled_from(_TOKENS)),
        st.builds(
            _with_token, like(samples), cuts, st.sampled_from(_DEPTHS).map(lambda n: "[" * n + "]" * n)
        ),
        bodies.map(lambda body: body + body),
        bodies.map(lambda body: b"\xef\xbb\xbf" + body),
        bodies.map(lambda body: body.decode().encode("utf-16")),
        bodies.map(lambda body: body[:-1] + b"," + body[1:]),
        bodies.map(lambda body: b'{"a": 1, "a": %s}' % body),
        st.text(" \t\r\n", max_size=3).map(str.encode),
        st.binary(max_size=40),
    )
    return st.builds(Request, st.just("malformed"), st.tuples(broken))


def _unusual(samples: Sequence[Any]) -> st.SearchStrategy[Request]:
    """Draw requests whose body is sound, and one thing besides it unusual."""
    bodies, cuts = like(samples).map(_encoded), st.floats(0, 1)
    request = functools.partial(st.builds, Request, st.just("protocol"))
    return st.one_of(
        request(st.tuples(bodies), method=st.sampled_from(_METHODS)),
        request(st.tuples(bodies), method=st.sampled_from(_METHODS), path=st.sampled_from(_PATHS)),
        request(st.tuples(bodies), content_type=st.sampled_from(_TYPES)),
        request(st.builds(_cut, bodies, cuts)),
    )


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def _cut(body: bytes, cut: float) -> tuple[bytes, bytes]:
    """Return `body` in two pieces; `cut` is the first one's share."""
    place = int(cut * len(body))
    return body[:place], body[place:]


def _with_token(value: Any, place: float, token: str) -> bytes:
    """Return `value` as JSON, but `token` in the place of one of its parts."""
    paths = list(places(value))
    marked = json.dumps(replaced(value, paths[int(place * len(paths))], "@"))
    return marked.replace('"@"', token, 1).encode()


def _shortened(data: bytes, limit: int = 300) -> str:
    return repr(data) if len(data) <= limit else f"{data[:limit]!r}... ({len(data)} bytes)"
