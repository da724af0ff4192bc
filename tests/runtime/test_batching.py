"""Requests that come together, and those that do not."""

import contextlib
import json
import time

from client import ask, client, request
from held import HELD, in_flight
from support import until

COUNTED = f"""{HELD}
    hold = predictor

    def validator(x):
        return x != 13

    def predictor(x):
        import time
        if isinstance(x, str) and x.startswith("/"):
            return hold(x)
        return [x, 1 / x if x < 9 else 1, time.monotonic()]

    def predictor_batch(xs):
        import time
        return [[x, len(xs) if 1 / x else 0, time.monotonic()] for x in xs]
"""
"""Answers with the number of samples that were scored in the same call, and when; 0 cannot be scored."""


def together(port, bodies, held=None):
    """Send one request on each of as many connections, all while a call is `held`, then return the responses."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client(port)) for _ in bodies]
        for one in clients:
            one.send(request("/healthz"))
            one.answer()
        if held:
            busy = stack.enter_context(client(port))
            busy.send(request("/predict", held.body))
            held.wait()
        for one, body in zip(clients, bodies):
            one.send(request("/predict", body))
        if held:
            until(lambda: in_flight(port) == len(bodies) + 1)
            held.let_go()
        return [one.answer() for one in clients]


def scored(answers):
    """Return the samples of those that were answered."""
    return [json.loads(answer.body)[0] for answer in answers if answer.status == 200]


def sizes(answers):
    """Return of how many samples the batches were."""
    return [json.loads(answer.body)[1] for answer in answers]


def test_requests_that_come_together_are_scored_together(bundle, serving, held):
    numbers = list(range(20, 28))
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="300") as server:
        answers = together(server.port, [b"%d" % number for number in numbers], held)
    assert scored(answers) == numbers
    assert sizes(answers) == [8] * 8


def test_without_a_window_each_request_is_scored_alone(bundle, serving, held):
    with serving(bundle(COUNTED)) as server:
        assert sizes(together(server.port, [b"20"] * 8, held)) == [1] * 8


def test_batch_is_no_larger_than_it_may_be(bundle, serving, held):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="300", NBSLIM_BATCH_SIZE="3") as server:
        assert sizes(together(server.port, [b"20"] * 12, held)) == [3] * 12


def test_bad_samples_change_nothing_for_their_neighbours(bundle, serving, held):
    bodies = [b"20", b"[", b"13", b"21", b"0", b"22", b'"x"', b"23", b"NaN", b"24"]
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="200") as server:
        for holding in (held, None, None, None):
            answers = together(server.port, bodies, holding)
            assert [answer.status for answer in answers] == [200, 400, 400, 200, 500, 200, 500, 200, 400, 200]
            assert scored(answers) == [20, 21, 22, 23, 24]


def test_lone_client_does_not_wait(bundle, serving):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server, client(server.port) as one:
        begin = time.monotonic()
        for _ in range(100):
            one.send(request("/predict", b"20"))
            assert sizes([one.answer()]) == [1]
        assert time.monotonic() - begin < 60  # the window, a hundred times, is 100 s


def test_other_requests_do_not_wait_for_a_batch(bundle, serving, held):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server:
        together(server.port, [b"20"] * 4, held)  # so many are waited for from now on
        with client(server.port) as waiting, client(server.port) as other:
            waiting.send(request("/predict", b"20"))
            other.send(request("/healthz") + request("/predict/batch", b"[21, 22]"))
            assert other.answer().status == 200
            earlier = json.loads(other.answer().body)
            number, size, moment = json.loads(waiting.answer().body)
        assert (number, size) == (20, 1)
        assert max(when for _, _, when in earlier) < moment


def test_waiting_requests_are_answered_before_the_end(bundle, serving, held):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server:
        together(server.port, [b"20"] * 4, held)
        with client(server.port) as one, client(server.port) as other:
            for each in (one, other):
                each.send(request("/healthz"))
                each.answer()
                each.send(request("/predict", b"20"))
            server.process.terminate()
            assert [one.answer().status, other.answer().status] == [200, 200]
        assert server.process.wait(60) == 0


def test_batches_are_scored_beside_a_slow_one(bundle, serving, held):
    environ = {"NBSLIM_BATCH_WINDOW_MS": "20", "NBSLIM_THREADS": "2"}
    with serving(bundle(HELD), **environ) as server, client(server.port) as slow:
        slow.send(request("/predict", held.body))
        held.wait()
        assert [answer.status for answer in together(server.port, [b"0"] * 6)] == [200] * 6
        assert held.count == 1
        held.let_go()
        assert slow.answer().status == 200
        assert ask(server.port, "/healthz").status == 200
