import base64
import json
import signal
import subprocess
import sys

import pytest
from nbslim.runtime.bundle import load_bundle
from nbslim.runtime.exchanges import ask
from nbslim.runtime.replay import Report, replay

pytestmark = pytest.mark.usefixtures("unchanged_path")

HALF = """
    def validator(x):
        return x is not None

    def predictor(x):
        return x / 2
"""
SAMPLES = (
    {"input": 1, "answer": 0.5},
    {"input": None, "refused": True},
    {"input": "a", "raises": "TypeError"},
)


def report_on(folder):
    return replay(load_bundle(folder))


def run(*arguments, stdin=""):
    command = [sys.executable, "-m", "nbslim.runtime.replay", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def requests(*bodies, passes=1, seconds=60):
    """What the command reads: each body is POSTed to /predict; bytes are a whole request."""
    raw = [body if isinstance(body, bytes) else post(body) for body in bodies]
    encoded = [base64.b64encode(request).decode() for request in raw]
    return json.dumps({"requests": encoded, "passes": passes, "seconds": seconds})


def post(body, *headers, version="1.1"):
    lines = [f"POST /predict HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, *headers, "", body]).encode()


def exchanged(folder, stdin):
    """The report and the responses, with their bodies as text."""
    done = run(folder, stdin=stdin)
    assert done.returncode == 0, done.stderr
    report, *responses = map(json.loads, done.stdout.splitlines())
    return report, [
        {**response, "body": base64.b64decode(response["body"]).decode()} for response in responses
    ]


def bodies(responses):
    return [
        (response["pass"], response["index"], response["status"], response["body"]) for response in responses
    ]


def test_equal_outcomes_of_every_kind_are_counted(bundle):
    assert report_on(bundle(HALF, SAMPLES)) == Report(3, 3, ())


def test_difference_shows_both_outcomes(bundle):
    (difference,) = report_on(bundle(HALF, (*SAMPLES, {"input": 2, "answer": 1}))).differences
    assert (difference.index, difference.expected, difference.got) == (3, {"answer": 1}, {"answer": 1.0})
    assert difference.error is None


def test_module_missing_while_predicting_is_named(bundle):
    source = """
        def predictor(x):
            try:
                import no_such_module
            except ImportError:
                raise ValueError("install it")
    """
    (difference,) = report_on(bundle(source, ({"input": 1, "answer": 1},))).differences
    assert difference.got == {"raises": "ValueError"}
    assert (difference.error.message, difference.error.module) == ("install it", "no_such_module")
    assert difference.error.traceback.endswith("ValueError: install it")


BATCHED = """
    def predictor(x):
        return 6 / x

    def predictor_batch(xs):
        {body}
"""
NUMBERS = (
    {"input": 1, "answer": 6.0},
    {"input": 0, "raises": "ZeroDivisionError"},
    {"input": 3, "answer": 2.0},
)


def test_batched_form_that_agrees_is_no_difference(bundle):
    source = BATCHED.format(body="return [6 / x for x in xs]")
    assert report_on(bundle(source, NUMBERS)) == Report(3, 3, ())


def test_another_answer_in_a_batch_is_a_difference(bundle):
    source = BATCHED.format(body="return [6 // x for x in xs]")
    first, last = report_on(bundle(source, NUMBERS)).differences
    assert (first.index, first.expected, first.got) == (0, {"answer": 6.0}, {"answer": 6})
    assert (last.index, last.got) == (2, {"answer": 2})


def test_batched_form_that_raises_is_a_difference_though_rows_can_be_scored_alone(bundle):
    source = BATCHED.format(body="import no_such_module")
    (difference,) = report_on(bundle(source, NUMBERS)).differences
    assert (difference.index, difference.got) == (0, {"raises": "ModuleNotFoundError"})
    assert difference.error.module == "no_such_module"


def test_interruption_by_a_sample_is_no_report(bundle):
    done = run(bundle("def predictor(x): raise KeyboardInterrupt", ({"input": 1, "answer": 1},)))
    assert (done.returncode != 0, done.stdout) == (True, "")


def test_replaying_twice_gives_the_same_report(bundle):
    loaded = load_bundle(bundle("predictor = lambda x: x.pop()", ({"input": [1, 2], "answer": 2},)))
    assert replay(loaded) == replay(loaded) == Report(1, 1, ())


def test_command_prints_the_report_alone(bundle):
    source = """
        def predictor(x):
            import os
            print("from Python")
            os.system("echo from a child")
            return x
    """
    done = run(bundle(source, ({"input": 1, "answer": 1}, {"input": 2, "answer": 3})))
    assert json.loads(done.stdout) == {
        "samples": 2,
        "equal": 1,
        "differences": [{"index": 1, "expected": {"answer": 3}, "got": {"answer": 2}, "error": None}],
        "error": None,
    }
    assert done.returncode == 0
    assert done.stderr.count("from Python") == done.stderr.count("from a child") == 2


def test_command_reports_a_missing_module(bundle):
    done = run(bundle(b"cno_such_module\npredictor\n."))
    report = json.loads(done.stdout)
    assert (done.returncode, report["samples"], report["equal"]) == (0, 0, 0)
    assert (report["error"]["type"], report["error"]["module"]) == ("ModuleNotFoundError", "no_such_module")
    assert "cannot be loaded: module no_such_module is missing" in report["error"]["message"]


def test_command_reports_a_missing_bundle(tmp_path):
    report = json.loads(run(tmp_path / "nowhere").stdout)
    assert report["error"]["type"] == "FileNotFoundError"


def test_responses_of_the_server_follow_the_report(bundle):
    report, responses = exchanged(bundle(HALF, SAMPLES), requests("1", "4"))
    assert (report["samples"], report["equal"]) == (3, 3)
    answer = {"pass": 0, "status": 200, "type": "application/json", "problem": None}
    assert responses == [{**answer, "index": 0, "body": "0.5"}, {**answer, "index": 1, "body": "2.0"}]


def test_every_error_of_the_server_is_a_response(bundle):
    unencoded = b"GET /\xff%zz HTTP/1.0\r\n\r\n"
    chunked = post("", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    _, responses = exchanged(
        bundle(HALF),
        requests(
            "null",
            '"a"',
            "{",
            b"what?\r\n\r\n",
            unencoded,
            post("5", version="1.0"),
            chunked + b"1\r\n6\r\n0\r\n\r\n",
            chunked + b"x\r\n",
        ),
    )
    assert [response["status"] for response in responses] == [400, 500, 400, 400, 400, 200, 200, 400]
    assert {response["problem"] for response in responses} == {None}
    assert json.loads(responses[1]["body"])["type"] == "urn:nbslim:predictor-failed"
    assert responses[1]["type"] == "application/problem+json"
    assert {response["type"] for response in responses[2:5]} == {"application/problem+json"}
    assert [response["body"] for response in responses[5:7]] == ["2.5", "3.0"]


def test_passes_repeat_all_requests(bundle):
    counter = """
        calls = []

        def predictor(x):
            calls.append(x)
            return len(calls)
    """
    _, responses = exchanged(bundle(counter), requests("0", "0", passes=2))
    assert bodies(responses) == [(0, 0, 200, "1"), (0, 1, 200, "2"), (1, 0, 200, "3"), (1, 1, 200, "4")]


def test_no_request_is_sent_when_the_time_is_over(bundle):
    slow = """
        def predictor(x):
            import time
            time.sleep(x)
            return x
    """
    _, responses = exchanged(bundle(slow), requests("0", "4", "0", passes=100, seconds=3))
    assert bodies(responses) == [(0, 0, 200, "0"), (0, 1, 200, "4")]


def test_responses_on_one_connection_are_one_body_that_is_the_same_each_second(bundle):
    both = post("1").replace(b"Connection: close\r\n", b"") + post("2")
    slow = "def predictor(x):\n    import time\n    time.sleep(0.6)\n    return x"
    _, responses = exchanged(bundle(slow), requests(both, both))
    assert {response["status"] for response in responses} == {200}
    assert len({response["body"] for response in responses}) == 1
    first, rest = responses[0]["body"].split("HTTP/1.1 200 OK\r\n")
    assert (first, rest.rpartition("\r\n\r\n")[2]) == ("1", "2")
    assert "date:" not in rest.lower()
    assert "content-length: 1\r\n" in rest.lower()


def test_crash_loses_no_earlier_response(bundle):
    source = """
        def predictor(x):
            import os, signal
            os.kill(os.getpid(), signal.SIGKILL if x else 0)
            return x
    """
    done = run(bundle(source, ({"input": 0, "answer": 0},)), stdin=requests("0", "1", "0"))
    report, *responses = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, report["equal"]) == (-signal.SIGKILL, 1)
    assert [response["index"] for response in responses] == [0]


def test_predictor_finds_the_signals_of_a_server_and_the_process_ends_as_usual(bundle):
    source = """
        import atexit, os, signal

        def predictor(x):
            atexit.register(os.write, 1, b"at the end")
            return signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    """
    done = run(bundle(source), stdin=requests("0"))
    assert (done.returncode, done.stderr) == (0, "at the end")
    assert base64.b64decode(json.loads(done.stdout.splitlines()[1])["body"]) == b"false"


def test_bundle_that_cannot_be_loaded_has_a_report_and_no_response(tmp_path):
    report, responses = exchanged(tmp_path, requests("0"))
    assert report["error"]["type"] == "FileNotFoundError"
    assert responses == []


def test_replay_imports_what_serving_imports(bundle, serving):
    folder = bundle("def predictor(x):\n    import sys\n    return sorted(sys.modules)")
    with serving(folder) as server:
        served = ask(server.port, post("0")).body
    [(_, _, _, replayed)] = bodies(exchanged(folder, requests("0"))[1])
    assert set(json.loads(replayed)) - set(json.loads(served)) == {
        "nbslim.runtime.exchanges",
        "nbslim.runtime.workers",
    }
    assert set(json.loads(served)) - set(json.loads(replayed)) == set()


def test_command_without_bundle_says_how_to_call_it():
    done = run()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage:")
