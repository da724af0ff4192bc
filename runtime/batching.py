"""Micro-batching: requests that come together are scored as one batch, and each gets the response of its own."""

from __future__ import annotations

import time
from typing import Any

from nbslim.runtime.connection import Connection, body, encoding, predicts
from nbslim.runtime.loop import TICK, Job
from nbslim.runtime.service import Service


class Batch:
    """A job that answers the next request of several connections."""

    counted = True

    def __init__(self, connections: list[Connection], service: Service) -> None:
        self._connections = connections
        self._service = service

    def service(self) -> None:
        """Score all, then answer all."""
        requests = [connection.requests[0] for connection in self._connections]
        responses = self._service.predict_all([(body(one), encoding(one)) for one in requests])
        for connection, request, response in zip(self._connections, requests, responses):
            connection.respond(request, response)

    def give_up(self) -> None:
        """Close all connections."""
        for connection in self._connections:
            connection.give_up()

    def settle(self) -> None:
        """Settle all connections."""
        for connection in self._connections:
            connection.settle()


class Gatherer:
    """Gathers requests until as many wait as came together lately, or the first of them has waited long enough.

    So a lone client never waits: where one request came at a time, one is all that is waited for.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._window = service.settings.batch_window / 1000
        self._size = service.settings.batch_size
        self._waiting: list[Connection] = []
        self._due = 0.0
        self._expected = 1

    def gather(self, job: Job) -> bool:
        """Take a connection whose next request has one sample."""
        if not (isinstance(job, Connection) and job.requests and predicts(job.requests[0])):
            return False
        if not self._waiting:
            self._due = time.monotonic() + self._window
        self._waiting.append(job)
        return True

    def gathered(self) -> tuple[Any, float]:
        """Return a batch that is due, or the seconds until one may be."""
        if not self._waiting:
            return None, TICK
        seconds = self._due - time.monotonic()
        if len(self._waiting) < min(self._expected, self._size) and seconds > 0:
            return None, seconds
        taken, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        self._expected = len(taken)
        return Batch(taken, self._service) if len(taken) > 1 else taken[0], 0.0
