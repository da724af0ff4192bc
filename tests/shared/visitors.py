"""Visitors of a service that check each answer: `python visitors.py PORT SECONDS SEED` prints what became of all.

They know `SOURCE`, and that a connection may break off: whether it may have done so is for the test to say.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from client import Client, request

SOURCE = """
    def validator(numbers):
        return 0 < len(numbers) < 50

    def predictor(numbers):
        import os, time
        if sum(numbers) % 50 == 7:
            time.sleep(0.03)
        return {"sum": sum(numbers), "worker": os.getpid()}
"""
"""Serves sums of lists of integers; a few take long enough for another thread to take over."""

NDJSON = "Content-Type: application/x-ndjson"
BAD = (
    (request("/predict", b"[1,"), 400),
    (request("/predict", b"\xff[1]"), 400),
    (request("/predict", b"[]"), 400),
    (request("/predict", b"17"), 500),
    (request("/predict/batch", b"[[1], []]"), 400),
    (request("/nothing"), 404),
    (request("/predict"), 405),
    (request("/predict", b"", "Content-Length: 99999999", method="POST"), 413),
    (b"no HTTP\r\n\r\n", 400),
)


@dataclass
class Report:
    """What became of all requests; times are by `time.monotonic`."""

    answered: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Answers that are not the right ones."""
    broken: list[dict[str, Any]] = field(default_factory=list)
    """Requests without an answer: when they began to be sent, were sent, and the connection ended; whose it was."""
    refused: list[float] = field(default_factory=list)
    """When a connection was refused."""
    workers: set[int] = field(default_factory=set)


class Visitor:
    """One client, with one connection at a time."""

    def __init__(self, port: int, until: float, seed: int, report: Report) -> None:
        self.random = random.Random(seed)
        self._port = port
        self._until = until
        self._report = report
        self._client: Client | None = None
        self._worker: int | None = None
        self._began = self._sent = 0.0

    def run(self, visit: Callable[[Visitor], None], pause: float) -> None:
        """Visit again and again until it is time, or nobody is there any more."""
        while time.monotonic() < self._until:
            try:
                visit(self)
            except ConnectionRefusedError:
                self._report.refused.append(time.monotonic())
                return
            except TimeoutError:
                self._report.wrong.append(f"{visit.__name__}: no answer in time")
                self.leave()
            except (OSError, AssertionError) as error:
                self._note_end(visit.__name__, error)
                self.leave()
            time.sleep(self.random.random() * pause)
        self.leave()

    def connect(self) -> Client:
        """Return a connection; one that has ended meanwhile is replaced, as clients do."""
        if self._client is not None and self._client.is_stale():
            self.leave()
        if self._client is None:
            self._client = Client(self._port)
        self._began, self._sent = time.monotonic(), float("inf")
        return self._client

    def leave(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._worker = None

    def sent(self) -> None:
        """Note that all of a request was sent."""
        self._sent = time.monotonic()

    def expect(self, kind: str, received: Any, wanted: Any) -> None:
        """Note an answer; one that holds `worker` tells where it is from."""
        for one in received if isinstance(received, list) else [received]:
            if isinstance(one, dict) and "worker" in one:
                self._worker = one.pop("worker")
                self._report.workers.add(self._worker)
        if received == wanted:
            self._report.answered[kind] += 1
        else:
            self._report.wrong.append(f"{kind}: {received!r:.500}, not {wanted!r:.500}")

    def numbers(self) -> list[int]:
        return [self.random.randrange(10) for _ in range(self.random.randrange(1, 20))]

    def _note_end(self, kind: str, error: Exception) -> None:
        if isinstance(error, AssertionError) and not (self._client and self._client.ended):
            self._report.wrong.append(f"{kind}: {error}")
        else:
            times = {"began": self._began, "sent": self._sent, "ended": time.monotonic()}
            self._report.broken.append({"kind": kind, "worker": self._worker, **times})


def single(visitor: Visitor) -> None:
    """Ask for one sum, on a connection that is kept for some time."""
    numbers = visitor.numbers()
    client = visitor.connect()
    client.send(request("/predict", json.dumps(numbers).encode()))
    visitor.sent()
    received = client.answer()
    visitor.expect("single", json.loads(received.body), {"sum": sum(numbers)})
    if visitor.random.random() < 0.02:
        visitor.leave()


def batch(visitor: Visitor) -> None:
    """Ask for many sums at once."""
    rows = [visitor.numbers() for _ in range(20)]
    client = visitor.connect()
    client.send(request("/predict/batch", json.dumps(rows).encode()))
    visitor.sent()
    received = client.answer()
    visitor.expect("batch", json.loads(received.body), [{"sum": sum(row)} for row in rows])


def lines(visitor: Visitor) -> None:
    """Send lines, some of them bad, and read answers while there are more to be sent."""
    rows = [visitor.numbers() if visitor.random.random() < 0.9 else [] for _ in range(30)]
    client = visitor.connect()
    client.send(request("/predict/batch", b"", NDJSON, "Transfer-Encoding: chunked", method="POST"))
    body = b""
    head = None
    for row in rows[:3]:
        client.send(_chunk(json.dumps(row).encode() + b"\n"))
        head = head or client.head()
        body += client.chunk()
    text = "".join(f"{json.dumps(row)}\n" for row in rows[3:]).encode()
    for start in range(0, len(text), 100):
        client.send(_chunk(text[start : start + 100]))
    client.send(_chunk(b""))
    visitor.sent()
    body += b"".join(iter(client.chunk, b""))
    found = [json.loads(line) for line in body.split(b"\n") if line]
    answers = [one["answer"] if "answer" in one else one["error"]["status"] for one in found]
    visitor.expect("lines", answers, [{"sum": sum(row)} if row else 400 for row in rows])


def bad(visitor: Visitor) -> None:
    """Ask for what there is not, or in a way that it cannot be asked for."""
    sent, status = visitor.random.choice(BAD)
    client = visitor.connect()
    client.send(sent)
    visitor.sent()
    received = client.answer()
    found = (received.status, received.headers["content-type"])
    visitor.expect("bad", found, (status, "application/problem+json"))
    if received.headers.get("connection") == "close":
        visitor.leave()


def slow(visitor: Visitor) -> None:
    """Send a byte now and then."""
    numbers = visitor.numbers()
    data = request("/predict", json.dumps(numbers).encode())
    client = visitor.connect()
    step = len(data) // 6
    for start in range(0, len(data), step):
        client.send(data[start : start + step])
        time.sleep(0.1)
    visitor.sent()
    received = client.answer()
    visitor.expect("slow", json.loads(received.body), {"sum": sum(numbers)})


def rude(visitor: Visitor) -> None:
    """Break off in the middle, or when it is all sent."""
    data = visitor.random.choice(
        [
            request("/predict", b"[7]"),
            request("/predict/batch", b"[1]\n[7]\n[2]\n", NDJSON),
            request("/metrics") * 3,
        ]
    )
    client = visitor.connect()
    client.send(data[: visitor.random.randrange(1, len(data) + 1)])
    time.sleep(visitor.random.choice([0, 0.001, 0.02]))
    if visitor.random.random() < 0.5:
        client.break_off()
    visitor.leave()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


KINDS = ((single, 16, 0.04), (batch, 4, 0.2), (lines, 4, 0.2), (bad, 3, 0.2), (slow, 3, 0.2), (rude, 2, 0.1))
"""Visits, how many visitors make them, and the seconds they pause at most: 32 in each process."""


def _visitors(port: int, until: float, seed: int, report: Report) -> Iterator[threading.Thread]:
    for visit, count, pause in KINDS:
        for number in range(count):
            visitor = Visitor(port, until, hash((seed, number)), report)
            yield threading.Thread(target=visitor.run, args=[visit, pause])


def main(port: int, seconds: float, seed: int) -> None:
    report = Report()
    threads = list(_visitors(port, time.monotonic() + seconds, seed, report))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    json.dump({**vars(report), "workers": sorted(report.workers)}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
