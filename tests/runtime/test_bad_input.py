"""Every case is sent to one server, byte for byte; afterwards it still answers a good request."""

import contextlib
import gzip
import json
import pickle
import socket
import struct
import time
import zlib
from dataclasses import dataclass
from functools import partial

import pytest
from jsonschema import Draft202012Validator
from wire import Reader, service, slim_service

MAX_BODY = 100_000
REQUEST_SECONDS = 2
SOURCE = """
    class Odd(BaseException):
        pass

    def validator(x):
        if x == "validator raises":
            open("/secret/file")
        if x == "validator exits":
            raise SystemExit(3)
        return x != "refused"

    def deeper(x):
        return [deeper(x)]

    def predictor(x):
        import signal
        if x == "raises":
            open("/secret/file")
        if x in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "MemoryError"):
            raise getattr(__import__("builtins"), x)("/secret/file")
        if x == "odd":
            raise Odd("/secret/file")
        if x == "no text":
            raise type("Mute", (Exception,), {"__str__": lambda self: 1 / 0, "__repr__": lambda self: 1 / 0})
        if x == "recursion":
            return deeper(x)
        if x == "memory":
            return bytes(1 << 62)
        if x == "object":
            return [{"secret": object()}]
        if x == "half":
            return chr(0xD800)
        if x == "long":
            return 9 ** 9999
        if x == "loop":
            loop = []
            loop.append(loop)
            return loop
        return x
"""
STAY, CLOSE = False, True


@dataclass(frozen=True)
class Case:
    """What is sent, with pauses in seconds between; the responses to expect, and whether the server closes then.

    A response is expected as its status and what its problem's type ends with, or the body of a good answer.
    """

    about: str
    sent: tuple
    expected: tuple
    closes: bool = STAY
    headers: tuple = ()
    method: str = "POST"
    ends: bool = False
    """Whether the client sends no more afterwards, and says so."""


def request(body=b"", *headers, path="/predict", method="POST", version="1.1", length=True):
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def head(*lines, first="POST /predict HTTP/1.1"):
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def chunked(body, *headers):
    return request(body, "Transfer-Encoding: chunked", *headers, length=False)


def bad_body(about, body, kind, *headers, status=400, path="/predict", **more):
    return Case(about, (request(body, *headers, path=path),), ((status, kind),), **more)


def good(about, sent, answer=b"[1]", **more):
    return Case(about, (sent,), ((200, answer),), **more)


def bad_request(about, sent, status=400, kind="bad-request", **more):
    return Case(about, sent if isinstance(sent, tuple) else (sent,), ((status, kind),), CLOSE, **more)


def batch(body, *headers):
    return request(body, *headers, path="/predict/batch")


def lines(body):
    return batch(body, NDJSON)


def chunked_lines(body):
    first = "POST /predict/batch HTTP/1.1"
    return head("Host: test", NDJSON, "Transfer-Encoding: chunked", first=first) + body


def deflated(body):
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


GZIP = gzip.compress(b"[1]")
BOMB = gzip.compress(b" " * (200 * MAX_BODY) + b"1")
NDJSON = "Content-Type: application/x-ndjson"
FORM = "Content-Type: application/x-www-form-urlencoded"

BODIES = [
    bad_body("empty body", b"", "not-json"),
    bad_body("blank body", b" \r\n\t ", "not-json"),
    bad_body("half an object", b'{"a":', "not-json"),
    bad_body("comma at the end", b"[1,]", "not-json"),
    bad_body("single quotes", b"['a']", "not-json"),
    bad_body("comment", b"[1] // one", "not-json"),
    bad_body("two values", b"1 2", "not-json"),
    bad_body("NaN", b"[NaN]", "not-finite"),
    bad_body("-Infinity", b"-Infinity", "not-finite"),
    bad_body("float too large", b"1e999", "not-finite"),
    bad_body("deep arrays", b"[" * 101 + b"]" * 101, "too-deep"),
    bad_body("deep objects", b'{"a":' * 10_000, "too-deep"),
    bad_body("deep as the body may be", b"[" * MAX_BODY, "too-deep"),
    bad_body("key twice", b'{"secret":1,"secret":2}', "duplicate-key"),
    bad_body("key twice, once escaped", b'[{"a":{"b":1,"\\u0062":2}}]', "duplicate-key"),
    bad_body("long integer", b"9" * 5000, "too-many-digits"),
    bad_body("integer as long as the body may be", b"9" * MAX_BODY, "too-many-digits"),
    bad_body("bad UTF-8", b'"\xff"', "not-json"),
    bad_body("surrogate in UTF-8", b'"\xed\xa0\x80"', "not-json"),
    bad_body("half of a surrogate pair", b'"\\ud800"', "not-unicode"),
    bad_body("UTF-16", "[1]".encode("utf-16"), "not-json"),
    bad_body("UTF-32", "[1]".encode("utf-32-be"), "not-json"),
    bad_body("NUL first", b"\x00[1]", "not-json"),
    bad_body("NUL last", b"[1]\x00", "not-json"),
    bad_body("line feed in a string", b'"a\nb"', "not-json"),
    bad_body("HTML", b"<html></html>", "not-json"),
    bad_body("pickle", pickle.dumps([1], 0), "not-json"),
    bad_body("form", b"x=%5B1%5D", "not-json", FORM),
    bad_body(
        "multipart form", b'--x\r\nContent-Disposition: form-data; name="x"\r\n\r\n[1]\r\n--x--', "not-json"
    ),
    good("JSON as a form", request(b"[1]", FORM)),
    good("JSON as a picture", request(b"[1]", "Content-Type: image/png")),
    good("JSON as nonsense", request(b"[1]", "Content-Type: \xff;;=")),
    good("JSON with a byte order mark", request(b"\xef\xbb\xbf[1]")),
    good("JSON with space around", request(b"\r\n [1]\n")),
    good("arrays as deep as they may be", request(b"[" * 100 + b"]" * 100), b"[" * 100 + b"]" * 100),
    good(
        "objects as deep as they may be",
        request(b'{"a":' * 100 + b"1" + b"}" * 100),
        b'{"a":' * 100 + b"1" + b"}" * 100,
    ),
    good("brackets in a string", request(b'"' + b"[" * 500 + b'"'), b'"' + b"[" * 500 + b'"'),
]
ENCODINGS = [
    good("gzip", request(GZIP, "Content-Encoding: gzip")),
    good("gzip by its old name", request(GZIP, "Content-Encoding: X-GZip")),
    good("deflate", request(zlib.compress(b"[1]"), "Content-Encoding: deflate")),
    good("deflate as browsers had it", request(deflated(b"[1]"), "Content-Encoding: deflate")),
    good("identity", request(b"[1]", "Content-Encoding: identity")),
    good("gzip in chunks", chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (len(GZIP), GZIP), "Content-Encoding: gzip")),
    bad_body("gzip that is none", b"[1]", "broken-encoding", "Content-Encoding: gzip"),
    bad_body("gzip cut off", GZIP[:-3], "broken-encoding", "Content-Encoding: gzip"),
    bad_body(
        "gzip with a wrong checksum",
        GZIP[:-8] + b"abcd" + GZIP[-4:],
        "broken-encoding",
        "Content-Encoding: gzip",
    ),
    bad_body("gzip with more behind", GZIP + b"[1]", "broken-encoding", "Content-Encoding: gzip"),
    bad_body("gzip of nothing", b"", "broken-encoding", "Content-Encoding: gzip"),
    bad_body("gzip of no JSON", gzip.compress(b"{"), "not-json", "Content-Encoding: gzip"),
    bad_body("gzip as deflate", GZIP, "broken-encoding", "Content-Encoding: deflate"),
    bad_body("gzip bomb", BOMB, "too-large", "Content-Encoding: gzip", status=413),
    bad_body(
        "deflate bomb", deflated(bytes(200 * MAX_BODY)), "too-large", "Content-Encoding: deflate", status=413
    ),
] + [
    bad_body(
        f"Content-Encoding: {name}",
        GZIP,
        "unsupported-encoding",
        f"Content-Encoding: {name}",
        status=415,
        headers=(("accept-encoding", "gzip, deflate"),),
    )
    for name in ("br", "gzip, gzip", "identity, gzip", "zstd", "\xff")
]
LENGTHS = [
    Case("no length and no body", (head("Host: test"),), ((400, "not-json"),)),
    Case("body larger than its length", (head("Host: test", "Content-Length: 1") + b"1 nonsense\r\n\r\n",),
         ((200, b"1"), (400, "bad-request")), CLOSE),
    Case("body smaller than its length, then the end", (head("Host: test", "Content-Length: 9") + b"[1]",), (), CLOSE,
         ends=True),
    bad_request("body smaller than its length", head("Host: test", "Content-Length: 9") + b"[1]", 408, "timeout"),
    bad_request("length over the limit", head("Host: test", f"Content-Length: {MAX_BODY + 1}"), 413, "too-large"),
    bad_request("length over the limit with the body", request(b" " * 10 * MAX_BODY), 413, "too-large"),
    bad_request("length of 20 digits", head("Host: test", "Content-Length: " + "9" * 20), 413, "too-large"),
    bad_request("length of 5000 digits", head("Host: test", "Content-Length: " + "9" * 5000)),
    bad_request("two different lengths", head("Host: test", "Content-Length: 3", "Content-Length: 4") + b"[1]"),
    bad_request("two lengths in one", head("Host: test", "Content-Length: 3, 3") + b"[1]"),
    bad_request("length and chunks", chunked(b"3\r\n[1]\r\n0\r\n\r\n", "Content-Length: 3")),
    bad_request("chunks by HTTP/1.0", head("Host: t", "Transfer-Encoding: chunked", first="POST /predict HTTP/1.0")
                + b"3\r\n[1]\r\n0\r\n\r\n"),
    good("body as large as it may be", request(b"[1]" + b" " * (MAX_BODY - 3))),
    *(
        bad_request(f"length {text!r}", head("Host: test", f"Content-Length: {text}") + b"[1]")
        for text in ("-3", "+3", "3.0", "0x3", "three", "", "3 3", "\xb3", "3;")
    ),
]  # fmt: skip
CHUNKS = [
    good("chunks", chunked(b"1\r\n[\r\n2\r\n1]\r\n0\r\n\r\n")),
    good("chunks with extensions", chunked(b'3;a=b;c="d"\r\n[1]\r\n0\r\n\r\n')),
    good("chunks with a trailer", chunked(b"3\r\n[1]\r\n0\r\nX-More: 1\r\n\r\n")),
    good("chunk whose size is padded", chunked(b"0003\r\n[1]\r\n0\r\n\r\n")),
    Case("no chunks", (chunked(b"0\r\n\r\n"),), ((400, "not-json"),)),
    bad_request("chunk of no size", chunked(b"zz\r\n[1]\r\n0\r\n\r\n")),
    bad_request("chunk of a negative size", chunked(b"-3\r\n[1]\r\n0\r\n\r\n")),
    bad_request("chunk of a size with 0x", chunked(b"0x3\r\n[1]\r\n0\r\n\r\n")),
    bad_request("chunk larger than its size", chunked(b"2\r\n[1]\r\n0\r\n\r\n")),
    bad_request("chunk with a bad extension", chunked(b"3;\x00\r\n[1]\r\n0\r\n\r\n")),
    bad_request("chunk of bare line feeds", chunked(b"3\n[1]\n0\n\n")),
    # RFC 9112, section 7.1: a size and a trailer end with CR LF, and nothing else is between chunks.
    bad_request("bare line feed behind a chunk's size", chunked(b"3\n\r\n[1]\r\n0\r\n\r\n")),
    bad_request("bare line feed in a chunk's extension", chunked(b"3;a\n\r\n[1]\r\n0\r\n\r\n")),
    bad_request("empty line before a chunk", chunked(b"\r\n3\r\n[1]\r\n0\r\n\r\n")),
    bad_request("empty line behind a chunk", chunked(b"3\r\n[1]\r\n\r\n0\r\n\r\n")),
    bad_request("trailer that is no header", chunked(b"3\r\n[1]\r\n0\r\nnonsense\r\n\r\n")),
    bad_request("bare line feed in a trailer", chunked(b"3\r\n[1]\r\n0\r\nX: 1\nY: 2\r\n\r\n")),
    bad_request("trailer that ends with bare line feeds", chunked(b"3\r\n[1]\r\n0\r\nX: 1\n\n") + request(b"[1]")),
    bad_request("chunks that do not end", chunked(b"3\r\n[1]\r\n"), 408, "timeout"),
    Case("chunks that end with the connection", (chunked(b"3\r\n[1]\r\n"),), (), CLOSE, ends=True),
    bad_request("chunks over the limit", chunked((b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 2), 413, "too-large"),
    bad_request("chunk of a huge size", chunked(b"f" * 30 + b"\r\n" + b" " * (MAX_BODY + 1)), 413, "too-large"),
    bad_request("size of a chunk that does not end", chunked(b"0" * (MAX_BODY + 1))),
    bad_request("trailer that does not end", chunked(b"0\r\n" + b"X: 1\r\n" * MAX_BODY)),
    bad_request("chunks in chunks", request(b"", "Transfer-Encoding: chunked, chunked", length=False)),
    # RFC 9112, sections 5.2 and 6.1: what a continued line says of the framing is not read in two ways.
    bad_request("chunks in chunks on a continued line", request(b"", "Transfer-Encoding: chunked\r\n , chunked",
                                                               length=False)),
    bad_request("transfer encoding on a continued line", request(b"", "Transfer-Encoding:\r\n chunked", length=False)),
    bad_request("transfer encoding that is empty", request(b"[1]", "Transfer-Encoding:")),
    bad_request("transfer encoding of no coding", request(b"[1]", "Transfer-Encoding: ,")),
    good("transfer encoding in another header", request(b"[1]", "X: y\r\n Transfer-Encoding: chunked")),
    bad_request("gzip as transfer encoding", request(b"", "Transfer-Encoding: gzip, chunked", length=False), 501,
                "not-implemented"),
    bad_request("unknown transfer encoding", request(b"", "Transfer-Encoding: xchunked", length=False), 501,
                "not-implemented"),
    bad_request("identity as transfer encoding", request(b"", "Transfer-Encoding: identity", length=False), 501,
                "not-implemented"),
]  # fmt: skip
HEADERS = [
    bad_request("huge header", head("Host: test", "X: " + "x" * 300_000), 431, "headers-too-large"),
    bad_request("many headers", head("Host: test", *["X: x"] * 100_000), 431, "headers-too-large"),
    bad_request(
        "header that does not end", b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 300_000, 431, "headers-too-large"
    ),
    bad_request("header without a colon", head("Host: test", "nonsense")),
    bad_request("header with a space before the colon", head("Host : test")),
    bad_request("header without a name", head("Host: test", ": x")),
    bad_request("name of a header that is none", head("Host: test", "X Y: x")),
    bad_request("bare line feed in a header", head("Host: test\nX: y")),
    bad_request("bare carriage return in a header", head("Host: test", "X: a\rY: b")),
    bad_request("NUL in a header", head("Host: test", "X: a\x00b")),
    bad_request("control character in a header", head("Host: test", "X: \x01")),
    bad_request("first header continues nothing", head(" Host: test")),
    bad_request("no Host", head("Content-Length: 3") + b"[1]"),
    bad_request("two Hosts", head("Host: one", "Host: two", "Content-Length: 3") + b"[1]"),
    # RFC 9112, section 3.2: a Host that is none is refused.
    bad_request("Host with a space", head("Host: a b", "Content-Length: 3") + b"[1]"),
    bad_request("Host with a path", head("Host: a/b", "Content-Length: 3") + b"[1]"),
    bad_request("Host by HTTP/1.0 with a user", head("Host: a@b", first="GET /healthz HTTP/1.0")),
    *(
        good(f"Host {name}", head(f"Host: {name}", "Content-Length: 3") + b"[1]")
        for name in ("", "a:80", "10.0.0.1:8080", "[::1]:8080", "[fe80::1%25eth0]", "a-b_c.d:", "x%20y")
    ),
    # RFC 9112, section 9.6: close is an option of a list.
    good("Connection: TE, close", request(b"[1]", "Connection: TE, close"), closes=CLOSE),
    good("Connection: keep-alive twice", request(b"[1]", "Connection: keep-alive", "Connection: X")),
    good(
        "Connection: keep-alive in a list, by HTTP/1.0",
        request(b"[1]", "Connection: Keep-Alive, X", version="1.0"),
    ),
    bad_request("bare line feeds", b"GET /healthz HTTP/1.1\nHost: test\n\n", 408, "timeout"),
    good(
        "no Host by HTTP/1.0",
        head("Content-Length: 3", first="POST /predict HTTP/1.0") + b"[1]",
        closes=CLOSE,
    ),
    good("header with an underscore", request(b"[1]", "Content_Length: 99")),
    good("header of other letters", request(b"[1]", "X: \xe9\xff")),
    good("header without a value", request(b"[1]", "X:")),
    good("continued header", request(b"[1]", "X: a\r\n b")),
    good("identifier that is a sentence", request(b"[1]", "X-Request-ID: a b\tc<script>")),
    good("expectation that is met", request(b"[1]", "Expect: something")),
]
LINES = [
    bad_request("nonsense", b"nonsense\r\n\r\n"),
    bad_request("bytes", bytes(range(256)) + b"\r\n\r\n"),
    bad_request("nothing but a method", b"GET\r\n\r\n"),
    bad_request("method in lower case", head("Host: test", first="post /predict HTTP/1.1")),
    bad_request("two spaces", head("Host: test", first="GET  /healthz HTTP/1.1")),
    bad_request("tabs", head("Host: test", first="GET\t/healthz\tHTTP/1.1")),
    bad_request("words behind the version", head("Host: test", first="GET /healthz HTTP/1.1 x")),
    bad_request("HTTP/0.9", b"GET /healthz\r\n\r\n"),
    bad_request("HTTP/2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "version-not-supported"),
    bad_request("HTTP/3.0", head("Host: test", first="GET /healthz HTTP/3.0"), 505, "version-not-supported"),
    bad_request("version that is none", head("Host: test", first="GET /healthz HTTP/one")),
    bad_request("address that is none", head("Host: test", first="GET http://[ HTTP/1.1")),
    bad_request("long address", head("Host: test", first=f"GET /{'x' * 300_000} HTTP/1.1"), 431, "headers-too-large"),
    bad_request("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))),
    good("empty lines before", b"\r\n\r\n" + request(b"[1]")),
    good("whole address", request(b"[1]", path="http://elsewhere/predict")),
    good("slashes", request(b"[1]", path="//predict")),
    bad_request("address that is no path", request(b"[1]", path="predict")),
    bad_request("address of other letters", request(b"[1]", path="/\xff")),
    bad_request("NUL in an address", request(b"[1]", path="/predict\x00")),
    bad_request("control character in a query", request(b"[1]", path="/predict?\x7f")),
    good("query", request(b"[1]", path="/predict?x=1&y=%ff")),
    good("escaped path", request(b"[1]", path="/%70redict")),
] + [
    bad_body(f"path {path}", b"[1]", "about:blank", status=404, path=path)
    for path in ("/predict/", "/predict/x", "/Predict", "/%2e%2e/predict", "/predict/../predict",
                 "/predict%00", "/predict%0d%0aX:y", "/%ff", "*", "/<script>", "/.." * 1000)
]  # fmt: skip
SLOW = [
    bad_request("half a header", b"POST /predict HTTP/1.1\r\nHos", 408, "timeout"),
    bad_request("half a header, with pauses", (b"POST /predict", *(0.3, b" ") * 8), 408, "timeout"),
    bad_request("a byte at a time", tuple(part for one in request(b"[1]")[:9] for part in (bytes([one]), 0.25)), 408,
                "timeout"),
    bad_request("a byte of the body at a time", (request(b" " * 50)[:-50], *(0.3, b" ") * 8), 408, "timeout"),
    Case("nothing, then the end", (), (), CLOSE, ends=True),
    Case("half a header, then the end", (b"POST /pre",), (), CLOSE, ends=True),
    Case(
        "a slow request within the time", (request(b"[1]")[:9], 0.2, request(b"[1]")[9:-1], 0.2, b"]"), ((200, b"[1]"),)
    ),
]  # fmt: skip
PIPELINES = [
    Case("a bad body, then a good one", (request(b"{") + request(b"[1]"),), ((400, "not-json"), (200, b"[1]"))),
    Case("three bodies, the second is refused", (request(b"1") + request(b'"refused"') + request(b"3"),),
         ((200, b"1"), (400, "refused"), (200, b"3"))),
    Case("a good request, then nonsense", (request(b"[1]") + b"nonsense\r\n\r\n" + request(b"[1]"),),
         ((200, b"[1]"), (400, "bad-request")), CLOSE),
    bad_request("nonsense, then a good request", b"nonsense\r\n\r\n" + request(b"[1]")),
    bad_request("too large, then a good request", head("Host: t", "Content-Length: 999999") + request(b"[1]"), 413,
                "too-large"),
    Case("an expected body", (head("Host: test", "Content-Length: 3", "Expect: 100-continue"), 0.2, b"[1]"),
         ((100, b""), (200, b"[1]"))),
    bad_request("an expected body that is too large",
                head("Host: test", f"Content-Length: {MAX_BODY + 1}", "Expect: 100-continue"), 413, "too-large"),
]  # fmt: skip
FAILURES = [
    bad_body("refused sample", b'"refused"', "refused"),
    bad_body("validator raises", b'"validator raises"', "validator-failed", status=500),
    bad_body("validator exits", b'"validator exits"', "validator-failed", status=500),
    *(
        bad_body(f"predictor: {name}", json.dumps(name).encode(), "predictor-failed", status=500)
        for name in ("raises", "SystemExit", "KeyboardInterrupt", "GeneratorExit", "StopIteration", "MemoryError",
                     "odd", "no text", "recursion", "memory")
    ),
    bad_body("answer of a strange type", b'"object"', "not-encodable", status=500),
    bad_body("answer in itself", b'"loop"', "not-encodable", status=500),
    good("answer with half of a surrogate pair", request(b'"half"'), b'"\\ud800"'),
    bad_body("answer too long", b'"long"', "encoder-failed", status=500),
]  # fmt: skip
BATCHES = [
    good("batch", batch(b'[1,"a",null]'), b'[1,"a",null]'),
    good("empty batch", batch(b"[]"), b"[]"),
    bad_body("batch that is no array", b'{"a":1}', "not-a-batch", path="/predict/batch"),
    bad_body("batch that is no JSON", b"[1,", "not-json", path="/predict/batch"),
    bad_body("batch that is empty", b"", "not-json", path="/predict/batch"),
    bad_body("batch of unknown encoding", b"[1]", "unsupported-encoding", "Content-Encoding: br", status=415,
             path="/predict/batch"),
    bad_body("batch with a refused row", b'[1,"refused",2]', "batch-refused", path="/predict/batch"),
    bad_body("batch with a row that fails", b'[1,"raises","refused"]', "batch-failed", status=500,
             path="/predict/batch"),
    bad_body("batch with a row that exits", b'[1,"SystemExit"]', "batch-failed", status=500, path="/predict/batch"),
    bad_body("batch with a row that interrupts", b'["KeyboardInterrupt",1]', "batch-failed", status=500,
             path="/predict/batch"),
    bad_request("batch over the limit", head("Host: test", f"Content-Length: {MAX_BODY + 1}",
                                             first="POST /predict/batch HTTP/1.1"), 413, "too-large"),
    good("lines", lines(b"1\n2\n"), b'{"answer":1}\n{"answer":2}\n'),
    good("lines with blank ones", lines(b"\n1\r\n \n\n2"), b'{"answer":1}\n{"answer":2}\n'),
    good("no lines", lines(b""), b""),
    good("nothing but blank lines", lines(b"\n\r\n \n"), b""),
    good("lines in gzip", batch(gzip.compress(b"1\n2"), "Content-Type: application/jsonl", "Content-Encoding: gzip"),
         b'{"answer":1}\n{"answer":2}\n'),
    good("lines of which some are bad", lines(b'1\n{\n"refused"\n"raises"\n[NaN]\n2'),
         (1, "not-json", "refused", "predictor-failed", "not-finite", 2)),
    good("lines of which one is over the limit", lines(b"1\n[" + b" " * MAX_BODY + b"]\n2\n"), (1, "too-large", 2)),
    good("last line over the limit", lines(b"1\n[" + b" " * 3 * MAX_BODY), (1, "too-large")),
    good("lines in chunks", chunked_lines(b"3\r\n1\n2\r\n2\r\n3\n\r\n0\r\n\r\n"), (1, 23)),
    good("lines by HTTP/1.0", request(b"1\n2", NDJSON, path="/predict/batch", version="1.0"), (1, 2), closes=CLOSE),
    good("more lines than the limit of a body", lines(b"1\n" * MAX_BODY), (1,) * MAX_BODY),
    bad_request("lines of no length", head("Host: t", "Content-Type: application/jsonl", "Content-Length: x",
                                           first="POST /predict/batch HTTP/1.1")),
]  # fmt: skip
CASES = [*BODIES, *ENCODINGS, *LENGTHS, *CHUNKS, *HEADERS, *LINES, *SLOW, *PIPELINES, *FAILURES, *BATCHES]


WAYS = {
    "alone": {},
    "slim": {},
    "shared": {"NBSLIM_WORKERS": "2", "NBSLIM_THREADS": "2", "NBSLIM_BATCH_WINDOW_MS": "1"},
}
"""How the server runs: as it is by default, in an image, and with all that may make a difference."""


@pytest.fixture(scope="module", name="server", params=WAYS)
def _server(request, tmp_path_factory):
    variables = {
        **WAYS[request.param],
        "NBSLIM_ACCESS_LOG": "on",
        "NBSLIM_MAX_BODY": str(MAX_BODY),
        "NBSLIM_REQUEST_TIMEOUT": str(REQUEST_SECONDS),
        "NBSLIM_IDLE_TIMEOUT": "30",
    }
    folder = tmp_path_factory.mktemp("served")
    serve = partial(slim_service, samples='[[1], "a", {"x": 2}]') if request.param == "slim" else service
    with serve(folder, SOURCE, **variables) as server:
        yield server
        assert server.process.poll() is None


def send(connection, sent):
    """Send all, with its pauses; a server that has closed meanwhile is seen when its answer is read."""
    with contextlib.suppress(ConnectionError):
        for part in sent:
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                time.sleep(part)


def assert_problem(response, status, kind):
    assert response.headers["content-type"] == "application/problem+json"
    problem = json.loads(response.body)
    kinds = {kind, f"urn:nbslim:{kind}"} if kind != "about:blank" else {kind}
    assert (response.status, problem["status"], problem["type"] in kinds) == (status, status, True), problem
    assert all(isinstance(problem[name], str) and problem[name] for name in ("title", "detail")), problem
    for private in (
        b"Traceback",
        b'File \\"',
        b"/secret",
        b"waitress",
        b"falcon",
        b".py",
        b"cloudpickle",
        b"generated",
    ):
        assert private not in response.body, problem


def assert_lines(body, expected):
    answers = [json.loads(line) for line in body.split(b"\n")[:-1]]
    for answer, one in zip(answers, expected, strict=True):
        if isinstance(one, str):
            assert answer["error"]["type"] == f"urn:nbslim:{one}"
            assert set(answer["error"]) == {"type", "title", "status", "detail"}
        else:
            assert answer == {"answer": one}


def assert_expected(response, status, expected):
    assert response is not None, "the connection was closed without a response"
    if status == 100:
        assert response.status == 100
        return
    assert response.headers["x-request-id"]
    assert response.headers["server"] == "nbslim"
    if isinstance(expected, str):
        assert_problem(response, status, expected)
    elif isinstance(expected, tuple):
        assert response.status == status
        assert_lines(response.body, expected)
    else:
        assert (response.status, response.body) == (status, expected)


def received(server, sent, method="GET"):
    with server.connect() as connection:
        connection.sendall(sent)
        return Reader(connection).response(method)


@pytest.fixture(scope="module", name="document")
def _document(server):
    return json.loads(received(server, request(path="/openapi.json", method="GET", length=False)).body)


def assert_documented(document, response, operation):
    """Check a response against what the document says of an operation; nothing in it enforces what an answer is."""
    told = operation["responses"].get(str(response.status), {})
    if "$ref" in told:
        told = document["components"]["responses"][told["$ref"].split("/")[-1]]
    assert set(told.get("headers", ())) <= {name.title().replace("Id", "ID") for name in response.headers}
    media = told.get("content", {}).get(response.headers["content-type"])
    assert media, (response, operation["responses"].keys())
    if response.status >= 400:
        whole = {**media["schema"], "components": document["components"]}
        Draft202012Validator(whole).validate(json.loads(response.body))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about[:60].encode("unicode_escape").decode())
def test_server_answers_as_it_should_and_goes_on(case, server, document):
    batched = any(b"/predict/batch" in part for part in case.sent if isinstance(part, bytes))
    operation = document["paths"]["/predict/batch" if batched else "/predict"]["post"]
    with server.connect() as connection:
        send(connection, case.sent)
        if case.ends:
            connection.shutdown(socket.SHUT_WR)
        reader = Reader(connection)
        for status, expected in case.expected:
            response = reader.response(case.method)
            assert_expected(response, status, expected)
            if status not in {100, 404}:
                assert_documented(document, response, operation)
            assert dict(case.headers).items() <= response.headers.items()
        if case.closes:
            assert reader.closed()
        else:
            assert_goes_on(connection, reader)
    with server.connect() as connection:
        assert_goes_on(connection, Reader(connection))


def assert_goes_on(connection, reader):
    connection.sendall(request(b'{"a":[1,"\xc3\xa4"]}', "X-Request-ID: after.wards"))
    response = reader.response("POST")
    assert (response.status, response.body) == (200, b'{"a":[1,"\xc3\xa4"]}')
    assert (response.headers["content-type"], response.headers["x-request-id"]) == (
        "application/json",
        "after.wards",
    )


@pytest.mark.parametrize(
    ("sent", "detail"),
    [
        (request(b"[1]", "X: secret\nY: secret"), "Bare CR or LF found in header line"),
        (head("Host: test", f"Content-Length: {MAX_BODY + 1}"), f"a body may have {MAX_BODY} bytes at most"),
        (head("X: " + "secret" * 50_000), "address and headers together may have 262143 bytes at most"),
        (request(b'["secret",\n NaN]'), "the body is not accepted: NaN is not JSON at line 2, column 2"),
        (request(BOMB, "Content-Encoding: gzip"), f"the inflated body is larger than {MAX_BODY} bytes"),
        (request(b'"object"'), "a value of type object cannot be written as JSON"),
        (request(b'"raises"'), "the predictor raised FileNotFoundError; the log holds the traceback"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_detail_says_what_is_wrong_without_quoting(sent, detail, server):
    with server.connect() as connection:
        connection.sendall(sent)
        response = Reader(connection).response("POST")
        assert json.loads(response.body)["detail"] == detail
        assert b"secret" not in response.body


@pytest.mark.parametrize(
    "rest", [b"zz\r\n1\n\r\n", b"2\r\n", b"2\r\n2\n\r\n"], ids=["bad chunk", "late chunk", "no end"]
)
def test_lines_that_break_off_get_their_answers_and_no_end(rest, server):
    with server.connect() as connection:
        connection.sendall(chunked_lines(b"2\r\n1\n\r\n"))
        reader = Reader(connection)
        reader.head()
        assert reader.chunk() == b'{"answer":1}\n'
        connection.sendall(rest)
        if rest.endswith(b"2\n\r\n"):
            assert reader.chunk() == b'{"answer":2}\n'
        assert reader.closed()
    with server.connect() as connection:
        assert_goes_on(connection, Reader(connection))


def test_connection_that_is_reset_in_the_middle_of_a_body_harms_nobody(server):
    for sent in (
        b"",
        request(b"[1]")[:-1],
        request(b"[1]"),
        lines(b"1\n" * 1000)[:-1],
        request(b"[1]") * 1000,
    ):
        with server.connect() as connection:
            connection.sendall(sent)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with server.connect() as connection:
            assert_goes_on(connection, Reader(connection))


PATHS = {
    "/": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/info": {"GET", "HEAD"},
    "/predict": {"POST"},
    "/predict/batch": {"POST"},
    "/healthz": {"GET", "HEAD"},
    "/readyz": {"GET", "HEAD"},
    "/metrics": {"GET", "HEAD"},
}
OF_ANY_REQUEST = {
    400: request(b"", "X: a\rY: b", length=False),
    408: request(b"", length=False)[:-1],
    413: request(b"", f"Content-Length: {MAX_BODY + 1}", length=False),
    431: request(b"", "X: " + "x" * 300_000, length=False),
    501: request(b"", "Transfer-Encoding: gzip", length=False),
    505: request(b"", length=False, version="3.0"),
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
def test_method_is_one_of_those_that_the_path_allows(method, path, server):
    with server.connect() as connection:
        connection.sendall(request(b"[1]", path=path, method=method))
        response = Reader(connection).response(method)
        if method in PATHS[path]:
            assert response.status == 200
            assert int(response.headers["content-length"]) > 0
            return
        assert response.status == 405
        assert set(response.headers["allow"].split(", ")) >= PATHS[path]
        if method != "HEAD":
            assert_problem(response, 405, "about:blank")


@pytest.mark.parametrize("status", OF_ANY_REQUEST)
def test_what_any_request_may_get_is_documented_for_each(status, server, document):
    with contextlib.ExitStack() as stack:
        asked = []
        for path in PATHS:  # all before the first response, which comes when the time is over
            [(method, operation)] = document["paths"][path].items()
            connection = stack.enter_context(server.connect())
            connection.sendall(
                OF_ANY_REQUEST[status].replace(b"POST /predict", f"{method.upper()} {path}".encode())
            )
            asked.append((connection, operation))
        for connection, operation in asked:
            response = Reader(connection).response("GET")
            assert response.status == status
            assert_documented(document, response, operation)


@pytest.mark.parametrize("path", PATHS)
def test_options_tell_the_methods(path, server):
    with server.connect() as connection:
        connection.sendall(request(path=path, method="OPTIONS"))
        response = Reader(connection).response("OPTIONS")
        assert response.status in {200, 204}
        assert set(response.headers["allow"].split(", ")) >= PATHS[path]


@pytest.mark.parametrize("method", ["BREW", "GETGETGET", "G-E.T", "PROPFIND", "M-SEARCH"])
def test_method_that_nobody_knows_is_refused(method, server):
    with server.connect() as connection:
        connection.sendall(request(b"[1]", method=method))
        response = Reader(connection).response(method)
        assert_problem(response, response.status, "about:blank")
        assert response.status in {400, 405, 501}


@pytest.mark.parametrize("path", [path for path, methods in PATHS.items() if "HEAD" in methods])
def test_head_is_get_without_its_body(path, server):
    with server.connect() as connection:
        connection.sendall(request(path=path, method="HEAD", length=False))
        reader = Reader(connection)
        head_only = reader.response("HEAD")
        connection.sendall(request(path=path, method="GET", length=False))
        whole = reader.response("GET")
        assert (head_only.status, head_only.headers["content-type"]) == (200, whole.headers["content-type"])
        assert_goes_on(connection, reader)


def test_what_is_taken_is_a_policy(tmp_path):
    with service(tmp_path, "predictor = repr", NBSLIM_NAN="accept", NBSLIM_MAX_DEPTH="2") as lenient:
        for body, expected in [
            (b"[NaN,1e999]", b'"[nan, inf]"'),
            (b"[[[1]]]", "too-deep"),
            (b"[[1]]", b'"[[1]]"'),
        ]:
            with lenient.connect() as connection:
                connection.sendall(request(body))
                response = Reader(connection).response("POST")
                assert_expected(response, 400 if isinstance(expected, str) else 200, expected)


def test_client_that_reads_nothing_is_left(server):
    echoed = request(b'"' + b"x" * (MAX_BODY - 2) + b'"')
    sent = received = 0
    with server.connect() as connection:
        connection.settimeout(0.2)
        with contextlib.suppress(TimeoutError):
            while sent < 1000 * MAX_BODY:
                sent += connection.send(echoed[sent % len(echoed) :])
        with server.connect() as other:
            assert_goes_on(other, Reader(other))
        connection.settimeout(60)
        with contextlib.suppress(ConnectionError):  # it is closed
            while sent < 1000 * MAX_BODY:
                sent += connection.send(echoed[sent % len(echoed) :])
        with contextlib.suppress(ConnectionError):
            while part := connection.recv(1 << 20):
                received += len(part)
    assert received < sent < 1000 * MAX_BODY


def test_many_clients_that_do_not_finish_keep_nobody_waiting(server):
    with contextlib.ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(server.connect())
            connection.sendall(request(b"[1]")[: number % 40])
        with server.connect() as other:
            assert_goes_on(other, Reader(other))


def test_access_log_is_json_whatever_was_sent(server):
    with server.connect() as connection:
        connection.sendall(request(path="/%0a%22%5c%ff", method="G'`|~"))
        assert Reader(connection).response().status in {400, 404}
    lines = [line for line in server.log.read_bytes().split(b"\n") if line.startswith(b'{"time"')]
    assert lines
    for line in lines:
        assert {"method", "path", "status", "request_id"} < json.loads(line).keys()


def test_log_has_the_errors_of_the_notebooks_functions_alone(server):
    log = server.log.read_text()
    assert "/secret/file" in log
    for line in log.splitlines():
        assert not any(
            words in line for words in ("uncaptured python exception", "the server failed", "given up")
        ), log


def test_image_lacks_nothing_for_it(server):
    with server.connect() as connection:
        connection.sendall(request(path="/metrics", method="GET", length=False))
        figures = Reader(connection).response().body
    assert b"# TYPE nbslim_removed_imports_total counter" in figures
    assert b"nbslim_removed_imports_total{" not in figures
