"""The loop in a real process, asked over real sockets."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from client import ask, client, request

SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""


BUSY = """
    def predictor(seconds):
        import time
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass
        return seconds
"""


def predict(port, sample):
    answer = ask(port, "/predict", sample)
    return answer.status, answer.body


def seconds_for(function, *arguments):
    begin = time.monotonic()
    function(*arguments)
    return time.monotonic() - begin


def quickest(port, path):
    return min(seconds_for(ask, port, path) for _ in range(5))


@pytest.mark.parametrize("source", [SLEEPY, BUSY], ids=["sleeps", "computes"])
def test_service_tells_how_it_is_while_the_predictor_is_busy(source, bundle, serving):
    with serving(bundle(source)) as server, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(predict, server.port, b"5")
        time.sleep(0.2)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert quickest(server.port, path) < 0.1
            assert ask(server.port, path).status == 200
        assert not slow.done()


def test_as_many_calls_run_side_by_side_as_there_are_threads(bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_THREADS="2") as server, ThreadPoolExecutor(3) as pool:
        taken = sorted(pool.map(lambda _: seconds_for(predict, server.port, b"1"), range(3)))
    assert 1 <= taken[0] <= taken[1] < 1.8
    assert 1.9 < taken[2] < 3.5


def test_other_requests_take_no_place_from_calls_and_give_none(bundle, serving):
    with serving(bundle(SLEEPY)) as server, ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            ask(server.port, "/healthz")
        slow = [pool.submit(predict, server.port, b"1.5") for _ in range(2)]
        time.sleep(0.3)
        assert seconds_for(ask, server.port, "/healthz") < 0.7
        assert [one.result() for one in slow] == [(200, b"1.5")] * 2


def test_place_is_free_again_whatever_the_next_request_on_the_connection_is(bundle, serving):
    with serving(bundle(SLEEPY)) as server, client(server.port) as one:
        for _ in range(3):
            one.send(request("/predict", b"0") + request("/healthz") + request("/predict", b"0"))
            assert [one.answer().status for _ in range(3)] == [200] * 3
        assert predict(server.port, b"0") == (200, b"0")


@pytest.mark.parametrize("seconds", [b"0.004", b"0.02"])
def test_short_waits_of_the_predictor_are_waited_for_side_by_side(seconds, bundle, serving):
    """Shorter than a leader may be kept, and longer: neither may let the calls wait for one another."""
    calls = int(3 / float(seconds))
    with serving(bundle(SLEEPY), NBSLIM_THREADS="8") as server, ThreadPoolExecutor(16) as pool:
        alone = calls * float(seconds)
        assert (
            seconds_for(list, pool.map(lambda _: many(server.port, seconds, calls // 16), range(16)))
            < alone / 2
        )


def many(port, sample, times):
    with client(port) as one:
        for _ in range(times):
            one.send(request("/predict", sample))
            assert one.answer().body == sample
