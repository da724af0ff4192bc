"""The loop in a real process, asked over real sockets."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from client import ask, client, request
from held import HELD, in_flight
from support import until

BUSY = """
    def predictor(held):
        import os
        open(f"{held}/1-1-1", "x").close()
        while not os.path.exists(f"{held}/go"):
            for _ in range(1_000_000):
                pass
        return os.getpid()
"""
"""Computes as long as `HELD` waits."""


def predict(port, sample):
    answer = ask(port, "/predict", sample)
    return answer.status, int(answer.body)


@pytest.mark.parametrize("source", [HELD, BUSY], ids=["waits", "computes"])
def test_service_tells_how_it_is_while_the_predictor_is_busy(source, bundle, serving, held):
    with serving(bundle(source)) as server, ThreadPoolExecutor(1) as pool:
        busy = pool.submit(predict, server.port, held.body)
        held.wait()
        for path in ("/healthz", "/readyz", "/metrics"):
            assert [ask(server.port, path).status for _ in range(5)] == [200] * 5
        held.let_go()
        assert busy.result() == (200, server.process.pid)


def test_as_many_calls_run_side_by_side_as_there_are_threads(bundle, serving, held):
    with serving(bundle(HELD), NBSLIM_THREADS="2") as server, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(predict, server.port, held.body) for _ in range(3)]
        held.wait(2)
        until(lambda: in_flight(server.port) == 3)
        assert held.count == 2
        held.let_go()
        assert [answer.result() for answer in answers] == [(200, server.process.pid)] * 3


def test_other_requests_take_no_place_from_calls_and_give_none(bundle, serving, held):
    with serving(bundle(HELD)) as server, ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            ask(server.port, "/healthz")
        answers = [pool.submit(predict, server.port, held.body) for _ in range(2)]
        held.wait()
        until(lambda: in_flight(server.port) == 2)
        assert ask(server.port, "/healthz").status == 200
        assert held.count == 1
        held.let_go()
        assert [answer.result() for answer in answers] == [(200, server.process.pid)] * 2


def test_place_is_free_again_whatever_the_next_request_on_the_connection_is(bundle, serving):
    with serving(bundle(HELD)) as server, client(server.port) as one:
        for _ in range(3):
            one.send(request("/predict", b"0") + request("/healthz") + request("/predict", b"0"))
            assert [one.answer().status for _ in range(3)] == [200] * 3
        assert predict(server.port, b"0") == (200, server.process.pid)


@pytest.mark.parametrize("seconds", [b"0.004", b"0.02"])
def test_short_waits_of_the_predictor_are_waited_for_side_by_side(seconds, bundle, serving):
    """Shorter than a leader may be kept, and longer: neither may let the calls wait for one another."""
    source = """
        running = []

        def predictor(seconds):
            import time
            running.append(seconds)
            time.sleep(seconds)
            return len(running), running.pop()
    """
    times = int(3 / float(seconds)) // 16
    with serving(bundle(source), NBSLIM_THREADS="8") as server, ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: side_by_side(server.port, seconds, times), range(16)))
    assert 4 <= max(found) <= 8


def side_by_side(port, sample, times):
    """Return how many calls ran at most when one of these ended."""
    with client(port) as one:
        answers = []
        for _ in range(times):
            one.send(request("/predict", sample))
            answers.append(json.loads(one.answer().body)[0])
    return max(answers)
