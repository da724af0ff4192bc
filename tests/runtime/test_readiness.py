"""Whether a service is ready, as a probe finds out."""

import contextlib
import json
import os
import signal
import time

import cloudpickle
import pytest
from client import ask, client, refuses, request
from nbslim.runtime.readiness import is_right, trial
from nbslim.runtime.scoring import Outcome
from support import until

SQUARE = "predictor = lambda x: x * x"
SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""


PATIENT = {"NBSLIM_REQUEST_TIMEOUT": "600", "NBSLIM_STOP_TIMEOUT": "600"}
"""Longer than a test waits."""


class Slow:
    """Is loaded when there is a file of this name."""

    def __init__(self, name):
        self._name = name

    def __reduce__(self):
        return os.system, (f"until test -e {self._name}; do sleep 0.05; done",)


@pytest.mark.parametrize(
    ("expected", "found", "right"),
    [
        ({"answer": 1}, "1", True),
        ({"answer": 1}, "1.0", False),
        ({"answer": 1.0}, "1.000001", True),
        ({"answer": 1.0}, "1.1", False),
        ({"answer": [1.0, {"a": "b"}]}, '[1.0000001, {"a": "b"}]', True),
        ({"answer": [1.0]}, "[1.0, 1.0]", False),
        ({"answer": True}, "1", False),
        ({"answer": None}, "null", True),
        ({"answer": "x"}, '"y"', False),
        ({"refused": True}, "1", False),
    ],
)
def test_answer_is_right_up_to_rounding(expected, found, right):
    assert is_right({"input": 0, **expected}, Outcome(answer=found)) is right


def test_sample_that_is_refused_is_right_where_the_notebook_refused_it():
    assert is_right({"input": 0, "refused": True}, Outcome(refused=True))
    assert is_right({"input": 0, "raises": "KeyError"}, Outcome(error=KeyError("x"), step="predictor"))
    assert not is_right({"input": 0, "raises": "KeyError"}, Outcome(error=ValueError("x"), step="predictor"))


def test_sample_with_an_answer_is_tried_before_others():
    refused, answered = {"input": 0, "refused": True}, {"input": 1, "answer": 2}
    assert trial([refused, answered]) == answered
    assert trial([refused]) == refused
    assert trial([]) is None


@pytest.mark.parametrize("workers", ["1", "2"])
def test_service_that_answers_a_sample_wrong_is_alive_and_never_ready(workers, bundle, serving):
    samples = ({"input": 2, "answer": 5},)
    with serving(bundle(SQUARE, samples), NBSLIM_WORKERS=workers) as server:
        assert server.said == "nbslim: not ready: the sample 2 gets {'answer': 4}, not {'answer': 5}\n"
        for _ in range(3):
            assert ask(server.port, "/readyz").status == 503
            assert ask(server.port, "/healthz").status == 200
            time.sleep(0.2)


@pytest.mark.parametrize("samples", [(), ({"input": 2, "answer": 4},)])
def test_service_that_answers_its_sample_right_is_ready(samples, bundle, serving):
    with serving(bundle(SQUARE, samples)) as server:
        assert ask(server.port, "/readyz").status == 200


@pytest.mark.parametrize("workers", ["1", "2"])
def test_service_is_alive_and_not_ready_while_the_model_is_loaded(workers, bundle, serving, tmp_path):
    folder = bundle(cloudpickle.dumps({"predictor": abs, "slow": Slow(tmp_path / "loaded")}))
    with serving(folder, NBSLIM_WORKERS=workers, wait=False) as server:
        until(lambda: not refuses(server.port))
        assert ask(server.port, "/healthz").status == 200
        assert ask(server.port, "/readyz").status == 503
        answer = ask(server.port, "/predict", b"-1")
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        with client(server.port) as one:
            (tmp_path / "loaded").touch()
            until(lambda: answers(server.port, "/readyz"))
            one.send(request("/predict", b"-1"))
            received = one.response()  # where others serve than those that have loaded, it was closed
            assert received is None or received.body == b"1"
        assert ask(server.port, "/predict", b"-1").body == b"1"
        server.process.terminate()
        assert server.process.wait(60) == 0


def answers(port, *request):
    """Return whether a request is answered with 200; one that is slow to come may find those gone that loaded."""
    with contextlib.suppress(ConnectionError, AssertionError):
        return ask(port, *request).status == 200
    return False


@pytest.mark.parametrize("workers", ["1", "2"])
def test_slow_sample_keeps_the_service_unready_and_lets_it_stop(workers, bundle, serving):
    samples = ({"input": 600, "answer": 600},)
    environ = {"NBSLIM_WORKERS": workers, "NBSLIM_STOP_TIMEOUT": "600"}
    with serving(bundle(SLEEPY, samples), wait=False, **environ) as server:
        until(lambda: not refuses(server.port))
        until(lambda: answers(server.port, "/predict", b"0"))
        assert ask(server.port, "/readyz").status == 503
        server.process.terminate()
        assert server.process.wait(60) == 0


def test_service_that_is_to_stop_goes_on_for_a_while_unready(bundle, serving):
    with serving(bundle(SQUARE), NBSLIM_STOP_DELAY="3") as server:
        assert ask(server.port, "/readyz").status == 200
        server.process.send_signal(signal.SIGTERM)
        until(lambda: ask(server.port, "/readyz").status == 503)
        assert ask(server.port, "/predict", b"3").body == b"9"
        assert server.process.wait(60) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_lines_get_one_problem_while_the_model_is_loaded_though_more_of_them_may_come(
    workers, bundle, serving, tmp_path
):
    folder = bundle(cloudpickle.dumps({"predictor": abs, "slow": Slow(tmp_path / "loaded")}))
    ndjson = "Content-Type: application/x-ndjson"
    stream = request("/predict/batch", b"", ndjson, "Transfer-Encoding: chunked", method="POST")
    with serving(folder, NBSLIM_WORKERS=workers, wait=False, **PATIENT) as server:
        until(lambda: not refuses(server.port))
        with client(server.port) as one:
            for version in ("1.1", "1.0"):
                one.send(request("/predict/batch", b"-1\n-2\n", ndjson, version=version))
                assert_not_ready(one.answer(), closes=version == "1.0")
            assert one.closed()
        with client(server.port) as one:
            one.send(stream + b"3\r\n-1\n\r\n")
            assert_not_ready(one.answer(), closes=True)
            one.send(b"3\r\n-1\n\r\n" * 1000)
            assert one.closed()
        (tmp_path / "loaded").touch()
        until(lambda: answers(server.port, "/readyz"))
        assert ask(server.port, "/predict/batch", b"-1\n-2\n", ndjson).body == b'{"answer":1}\n{"answer":2}\n'


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    "sent",
    [
        b"POST /predict HTTP/1.1\r\nHost",
        request("/predict", b"-1", "Expect: 100-continue")[:-1],
        request(
            "/predict/batch",
            b"",
            "Content-Type: application/jsonl",
            "Transfer-Encoding: chunked",
            method="POST",
        ),
    ],
)
def test_client_that_does_not_finish_its_request_keeps_no_worker_from_serving(
    sent, workers, bundle, serving, tmp_path
):
    folder = bundle(cloudpickle.dumps({"predictor": abs, "slow": Slow(tmp_path / "loaded")}))
    with serving(folder, NBSLIM_WORKERS=workers, wait=False, **PATIENT) as server:
        until(lambda: not refuses(server.port))
        with client(server.port) as one:
            one.send(sent)
            (tmp_path / "loaded").touch()
            until(lambda: answers(server.port, "/readyz"))
            if workers == "2":
                answer = one.answer()
                assert_not_ready(one.answer() if answer.status == 100 else answer, closes=True)


def assert_not_ready(answer, *, closes):
    assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (answer.headers["retry-after"], json.loads(answer.body)["type"]) == ("1", "urn:nbslim:not-ready")
    assert (answer.headers.get("connection") == "close") is closes
