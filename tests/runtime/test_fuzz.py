"""Thousands of random requests, the same in each run: the service answers each as HTTP, and goes on."""

import gzip
import json
import random
import socket
import zlib

import pytest
from wire import Reader, service

SEED = 5
REQUESTS = 3000
RAW_REQUESTS = 1000
SOURCE = """
    def validator(x):
        return x["valid"] if isinstance(x, dict) else x != []

    def predictor(x):
        if isinstance(x, str):
            return {x} if x else object()
        return x + 1 if isinstance(x, float) else len(x) if isinstance(x, list) else x
"""
STATUSES = {200, 400, 404, 405, 408, 413, 415, 431, 500, 501, 505}
FAILURES = {"predictor-failed", "validator-failed", "not-encodable"}
SCRAPS = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b":",
    b"\\",
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"-",
    b"\x00",
    b"\xff",
    b"\n",
]
TYPES = ["application/json", "text/plain; charset=utf-16", ";;"]
LINES = ["application/x-ndjson", "application/jsonl;x"]
LETTERS = 'aé中\U0001f600"\\\x00\n\x7f {}[]'


@pytest.fixture(scope="module", name="server")
def _server(tmp_path_factory):
    variables = {"NBSLIM_MAX_BODY": "20000", "NBSLIM_REQUEST_TIMEOUT": "2"}
    with service(tmp_path_factory.mktemp("served"), SOURCE, **variables) as server:
        yield server


class Generator:
    """Makes requests at random, but from a seed."""

    def __init__(self, seed, types):
        self.random = random.Random(seed)
        self.types = types

    def value(self, depth=4):
        pick = self.random.randrange(9 if depth else 6)
        if pick < 6:
            text = "".join(self.random.choices(LETTERS, k=self.random.randrange(8)))
            number = self.random.uniform(-1e6, 1e6) * 10.0 ** self.random.randrange(-300, 300)
            return (None, True, self.random.getrandbits(80), number, text, 0)[pick]
        values = [self.value(depth - 1) for _ in range(self.random.randrange(5))]
        if pick == 8:
            return {self.random.choice(["valid", "x", "\u00e9"]): value for value in values}
        return values

    def json(self):
        return json.dumps(self.value(), ensure_ascii=self.random.random() < 0.5).encode()

    def mutated(self, data, times):
        data = bytearray(data)
        for _ in range(self.random.randrange(1, times + 1)):
            start = self.random.randrange(len(data) + 1)
            end = min(start + self.random.randrange(4), len(data))
            data[start:end] = self.random.choice(
                [b"", data[start:end] * 2, self.random.choice(SCRAPS), self.bytes(3)]
            )
        return bytes(data)

    def bytes(self, most):
        return self.random.randbytes(self.random.randrange(most + 1))

    def body(self):
        lines = b"\n".join(self.json() for _ in range(self.random.randrange(5)))
        array = b"[" + b",".join(self.json() for _ in range(self.random.randrange(5))) + b"]"
        body = self.random.choice([self.json(), lines, array, self.bytes(200)])
        if self.random.random() < 0.4:
            body = self.mutated(body, 3)
        return body * self.random.choice([1] * 50 + [2000])

    def headers(self):
        for _ in range(self.random.randrange(3)):
            name = "".join(self.random.choices("abcXYZ-!#$%&'*+.^`|~09", k=self.random.randrange(1, 9)))
            value = "".join(self.random.choices("".join(map(chr, (*range(32, 127), *range(160, 256)))), k=9))
            yield f"{name}: {value}"
        if self.random.random() < 0.5:
            yield f"Content-Type: {self.random.choice(self.types)}"

    def encoded(self, body):
        """Return a header Content-Encoding, or none, and the body, mostly as it says."""
        name = self.random.choice([""] * 7 + ["gzip", "deflate", "br"])
        if self.random.random() < 0.8:
            body = {"gzip": gzip.compress, "deflate": zlib.compress}.get(name, bytes)(body)
        return [f"Content-Encoding: {name}"] * bool(name), body

    def request(self):
        encoding, body = self.encoded(self.body())
        path = self.random.choice(["/predict", "/predict/batch"])
        lines = [f"POST {path} HTTP/1.1", "Host: test", *self.headers(), *encoding]
        if self.random.random() < 0.2:
            cuts = sorted(self.random.randrange(len(body) + 1) for _ in range(3))
            parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part) + b"0\r\n\r\n"
            lines.append("Transfer-Encoding: chunked")
        else:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def kinds(document):
    """Return the kinds of the problem, of each row if it is one of a batch."""
    rows = document.get("rows", [document])
    return {row["type"].removeprefix("urn:nbslim:") for row in rows}


def assert_known(response):
    assert response.status in STATUSES
    assert "x-request-id" in response.headers
    if response.status != 200:
        assert response.headers["content-type"] == "application/problem+json"
        problem = json.loads(response.body)
        assert {"type", "title", "status", "detail"} <= problem.keys()
        assert problem["status"] == response.status
        assert response.status != 500 or kinds(problem) - {"refused"} <= FAILURES, problem
    elif response.headers["content-type"] == "application/x-ndjson":
        for line in response.body.split(b"\n")[:-1]:
            error = json.loads(line).get("error", {"status": 200})
            assert error["status"] < 500 or kinds(error) <= FAILURES, error
    else:
        assert response.headers["content-type"] == "application/json"
        json.loads(response.body, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def assert_good(server):
    with server.connect() as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\n0.5")
        response = Reader(connection).response("POST")
        assert (response.status, response.body) == (200, b"1.5")


def send_all(server, generator, number):
    """Send so many requests, on a connection for as long as it is kept; return the statuses and the bytes sent."""
    statuses, size = set(), 0
    connection = server.connect()
    reader = Reader(connection)
    for _ in range(number):
        request = generator.request()
        size += len(request)
        connection.sendall(request)
        response = reader.response("POST")
        assert_known(response)
        statuses.add(response.status)
        if response.headers.get("connection") == "close":
            assert reader.closed()
            connection.close()
            connection = server.connect()
            reader = Reader(connection)
    connection.close()
    return statuses, size


def test_random_bodies_get_answers_or_problems(server):
    memory = []
    for _ in range(3):  # the same ones: what is rare and large has come when memory is compared
        statuses, size = send_all(server, Generator(SEED, TYPES + LINES), REQUESTS)
        memory.append(server.memory)
    assert statuses == {200, 400, 413, 415, 500}
    assert memory[2] - memory[0] < size  # half of what came in meanwhile; it swings by half of that
    assert_good(server)


def test_random_bytes_get_problems_or_no_answer(server):
    generator = Generator(SEED + 1, TYPES)  # the response to lines that break off breaks off
    seen = set()
    for number in range(RAW_REQUESTS):
        sent = generator.mutated(generator.request()[:2000], 5) if number % 10 else generator.bytes(300)
        with server.connect() as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            reader = Reader(connection)
            for response in iter(reader.response, None):
                assert_known(response)
                seen.add(response.status)
    assert {200, 400} < seen
    assert_good(server)
    assert "the server failed" not in server.log.read_text()
