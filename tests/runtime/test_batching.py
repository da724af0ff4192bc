"""Requests that come together, and those that do not."""

import contextlib
import time

from client import ask, client, request

COUNTED = """
    def validator(x):
        return x != 13

    def predictor(x):
        return [x, 1 / x if x < 9 else 1]

    def predictor_batch(xs):
        return [[x, len(xs) if 1 / x else 0] for x in xs]
"""
"""Answers with the number of samples that were scored in the same call; 0 cannot be scored."""


def together(port, bodies):
    """Send one request on each of as many connections, then return the responses."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(client(port)) for _ in bodies]
        for one in clients:
            one.send(request("/healthz"))
            one.answer()
        for one, body in zip(clients, bodies):
            one.send(request("/predict", body))
        return [one.answer() for one in clients]


def sizes(answers):
    """Return of how many samples the batches were, from answers that end with that."""
    return [int(answer.body.rstrip(b"]").rpartition(b",")[2]) for answer in answers]


def test_requests_that_come_together_are_scored_together(bundle, serving):
    bodies = [b"%d" % number for number in range(20, 28)]
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="300") as server:
        together(server.port, bodies)
        answers = together(server.port, bodies)
    assert [answer.body.split(b",")[0] for answer in answers] == [b"[" + body for body in bodies]
    assert max(sizes(answers)) > 1


def test_without_a_window_each_request_is_scored_alone(bundle, serving):
    with serving(bundle(COUNTED)) as server:
        assert set(sizes(together(server.port, [b"20"] * 8))) == {1}


def test_batch_is_no_larger_than_it_may_be(bundle, serving):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="300", NBSLIM_BATCH_SIZE="3") as server:
        for _ in range(3):
            answers = together(server.port, [b"20"] * 12)
            assert max(sizes(answers)) <= 3
        assert max(sizes(answers)) > 1


def test_bad_samples_change_nothing_for_their_neighbours(bundle, serving):
    bodies = [b"20", b"[", b"13", b"21", b"0", b"22", b'"x"', b"23", b"NaN", b"24"]
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="200") as server:
        for _ in range(4):
            answers = together(server.port, bodies)
            assert [answer.status for answer in answers] == [200, 400, 400, 200, 500, 200, 500, 200, 400, 200]
            good = [answer.body.split(b",")[0] for answer in answers if answer.status == 200]
            assert good == [b"[20", b"[21", b"[22", b"[23", b"[24"]


def test_lone_client_does_not_wait(bundle, serving):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server, client(server.port) as one:
        begin = time.monotonic()
        for _ in range(20):
            one.send(request("/predict", b"20"))
            assert one.answer().body == b"[20,1]"
        assert time.monotonic() - begin < 10  # the window, twenty times, is 20 s


def test_other_requests_do_not_wait_for_a_batch(bundle, serving):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server:
        together(server.port, [b"20"] * 4)
        with client(server.port) as waiting:
            waiting.send(request("/predict", b"20"))
            begin = time.monotonic()
            assert ask(server.port, "/healthz").status == 200
            assert ask(server.port, "/predict/batch", b"[20, 21]").status == 200
            assert time.monotonic() - begin < 0.9
            assert waiting.answer().body == b"[20,1]"


def test_waiting_requests_are_answered_before_the_end(bundle, serving):
    with serving(bundle(COUNTED), NBSLIM_BATCH_WINDOW_MS="1000") as server:
        together(server.port, [b"20"] * 4)
        with client(server.port) as one, client(server.port) as other:
            one.send(request("/predict", b"20"))
            other.send(request("/predict", b"21"))
            time.sleep(0.1)
            server.process.terminate()
            assert [one.answer().status, other.answer().status] == [200, 200]
        assert server.process.wait(10) == 0


def test_batches_are_scored_beside_a_slow_one(bundle, serving):
    source = """
        import time

        def predictor(seconds):
            time.sleep(seconds)
            return seconds
    """
    environ = {"NBSLIM_BATCH_WINDOW_MS": "20", "NBSLIM_THREADS": "2"}
    with serving(bundle(source), **environ) as server, client(server.port) as slow:
        slow.send(request("/predict", b"1.5"))
        time.sleep(0.1)
        begin = time.monotonic()
        assert [answer.body for answer in together(server.port, [b"0"] * 6)] == [b"0"] * 6
        assert time.monotonic() - begin < 1
        assert slow.answer().body == b"1.5"
