"""The access log, as it leaves the process."""

import json
import os
import re
import select
import socket
import subprocess
import sys
import time

import pytest
from client import ask, client, request
from support import free_port, wait_until_ready

FIELDS = ["time", "request_id", "client", "method", "path", "status", "bytes", "seconds"]
SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""


NDJSON = "Content-Type: application/x-ndjson"
STREAM = request("/predict/batch", b"", NDJSON, "Transfer-Encoding: chunked", method="POST")
LINES = b'{"answer":0}\n'


@pytest.fixture(name="logging")
def _logging(bundle, serving, tmp_path):
    """Serve while `talk` is called with the port; return the lines of the log."""

    def run(talk, source=SLEEPY, **environ):
        log = tmp_path / "log"
        shell = ["sh", "-c", f'exec "$@" > {log}', "sh"]
        with serving(bundle(source), prefix=shell, **environ) as server:
            talk(server.port)
            server.process.terminate()
            assert server.process.wait(60) == 0
        return [json.loads(line) for line in log.read_text().splitlines()]

    return run


def test_each_request_has_a_line_of_json(logging):
    def talk(port):
        ask(port, "/predict?secret=1", b"0")
        ask(port, '/no "thing" \\ \x01'.replace(" ", "%20").replace('"', "%22").replace("\x01", "%01"))
        ask(port, "/" + "x" * 5000)
        ask(port, "/predict", b"[")
        ask(port, "/predict/batch", b"0\n0\n", NDJSON)

    lines = logging(talk)
    assert [list(line) for line in lines] == [FIELDS] * 5
    assert [(line["method"], line["path"], line["status"]) for line in lines] == [
        ("POST", "/predict", 200),
        ("GET", '/no "thing" \\ \x01', 404),
        ("GET", "/" + "x" * 499, 404),
        ("POST", "/predict", 400),
        ("POST", "/predict/batch", 200),
    ]
    assert {line["client"] for line in lines} == {"127.0.0.1"}
    assert [lines[0]["bytes"], lines[4]["bytes"]] == [1, 2 * len(LINES)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)


def test_line_of_the_longest_request_is_written_at_once(logging):
    """Pipes take PIPE_BUF bytes at once or not at all; of a longer line, another process may break the middle."""

    def talk(port):
        with client(port) as one:
            one.send(request("/" + "%ff" * 5000, b"", "X-Request-ID: " + "x" * 128, method="G" * 5000))
            assert one.answer().status == 404

    (line,) = logging(talk)
    assert (line["method"], line["path"]) == ("G" * 500, "/" + "\u00ff" * 499)
    assert len(json.dumps(line)) < select.PIPE_BUF


def test_log_can_be_off(logging):
    assert logging(lambda port: ask(port, "/predict", b"0"), NBSLIM_ACCESS_LOG="off") == []


def test_response_names_the_request_as_the_log_does(logging):
    found = []

    def talk(port):
        for path in ("/predict", "/healthz"):
            found.extend(
                ask(port, path, b"0"[: path == "/predict"]).headers["x-request-id"] for _ in range(3)
            )

    assert [line["request_id"] for line in logging(talk)] == found
    assert len(set(found)) == 6


@pytest.mark.parametrize("path", ["/predict", "/healthz"])
def test_sane_identifiers_are_taken_over_and_others_are_not(path, logging):
    sane = ["a", "0123-ab_c.d:e/f+g=h@i", "x" * 128]
    others = ["", "a b", "x" * 129, 'a"b', "a\\b", "\u00e4", "a, b", "{}"]
    found = []

    def talk(port):
        for given in sane + others:
            answer = ask(port, path, b"0"[: path == "/predict"], f"X-Request-ID: {given}")
            found.append(answer.headers["x-request-id"])

    lines = logging(talk)
    assert found == [line["request_id"] for line in lines]
    assert found[: len(sane)] == sane
    assert not set(found) & set(others)
    assert len(set(found)) == len(sane + others)


def test_no_line_is_lost_or_split_by_several_threads_and_workers(logging):
    def talk(port):
        script = (
            "import sys; from client import client, request\n"
            "with client(int(sys.argv[1])) as one:\n"
            "    for _ in range(300): one.send(request('/predict', b'0.0001')); one.answer()\n"
        )
        command = [sys.executable, "-c", script, str(port)]
        several = [subprocess.Popen(command, env={"PYTHONPATH": ":".join(sys.path)}) for _ in range(4)]
        assert [one.wait() for one in several] == [0] * 4

    lines = logging(talk, NBSLIM_WORKERS="2", NBSLIM_THREADS="2")
    assert len(lines) == len({line["request_id"] for line in lines}) == 1200


def test_nobody_needs_to_read_the_log(bundle, serving):
    shell = ["bash", "-c", 'exec "$@" > >(true)', "bash"]
    with serving(bundle(SLEEPY), prefix=shell) as server, client(server.port) as one:
        for _ in range(50):
            one.send(request("/predict", b"0"))
            assert one.answer().body == b"0"


def until_counted(port, status, count=1):
    """Wait until so many requests were counted with a status; return what is in flight then, besides this request."""
    for _ in range(100):
        figures = ask(port, "/metrics").body.decode()
        if f'nbslim_requests_total{{status="{status}"}} {count}\n' in figures:
            return int(figures.partition("\nnbslim_requests_in_flight ")[2].split()[0]) - 1
        time.sleep(0.05)
    pytest.fail(f"{status} is not counted {count} times in\n{figures}")


def first_answer(one):
    one.send(STREAM + b"2\r\n0\n\r\n")
    assert one.head()[0] == 200
    assert one.chunk() == LINES


@pytest.mark.parametrize("environ", [{}, {"NBSLIM_THREADS": "2"}, {"NBSLIM_WORKERS": "2"}])
@pytest.mark.parametrize("how", ["close", "break_off"])
def test_stream_of_lines_that_its_client_breaks_off_is_logged_and_counted(how, environ, logging):
    def talk(port):
        with client(port) as one:
            first_answer(one)
            getattr(one, how)()
        assert until_counted(port, 499) == 0

    lines = [line for line in logging(talk, **environ) if line["path"] == "/predict/batch"]
    assert [(line["method"], line["status"], line["bytes"]) for line in lines] == [("POST", 499, len(LINES))]
    assert lines[0]["seconds"] < 1


@pytest.mark.parametrize("sent", [b"8\r\n0\n0\n0.", b"2\r\n1\n\r\n", b"6\r\n1\n0\n0\n\r\n0\r\n\r\n"])
@pytest.mark.parametrize("threads", ["1", "2"])
def test_stream_whose_client_is_gone_while_a_line_is_scored_is_counted_once(sent, threads, logging):
    def talk(port):
        with client(port) as one:
            first_answer(one)
            one.send(sent)
            time.sleep(0.2)
            one.break_off()
        assert until_counted(port, 499) == 0
        ask(port, "/predict", b"0")

    lines = [line for line in logging(talk, NBSLIM_THREADS=threads) if line["method"] == "POST"]
    assert [line["status"] for line in lines] == [499, 200]


def test_stream_that_comes_no_further_is_logged_and_counted(logging):
    def talk(port):
        with client(port) as one:
            first_answer(one)
            assert until_counted(port, 408) == 0
            assert one.closed()

    lines = [line for line in logging(talk, NBSLIM_REQUEST_TIMEOUT="1") if line["method"] == "POST"]
    assert [(line["status"], line["bytes"]) for line in lines] == [(408, len(LINES))]


@pytest.mark.parametrize(
    "environ", [{}, {"NBSLIM_THREADS": "2"}, {"NBSLIM_BATCH_WINDOW_MS": "50"}, {"NBSLIM_WORKERS": "2"}]
)
def test_request_whose_client_is_gone_before_its_response_is_logged_as_that(environ, logging):
    def talk(port):
        with client(port) as one, client(port) as other:
            for each in (one, other):
                each.send(request("/predict", b"1.5") + request("/predict", b"0"))
            while "\nnbslim_requests_in_flight 3\n" not in ask(port, "/metrics").body.decode():
                time.sleep(0.02)  # both, and the question itself
            one.break_off()
            assert [other.answer().status for _ in range(2)] == [200, 200]
            assert until_counted(port, 499, count=2) == 0

    lines = [line for line in logging(talk, **environ) if line["method"] == "POST"]
    assert sorted((line["status"], line["bytes"]) for line in lines) == [
        (200, 1),
        (200, 3),
        (499, 0),
        (499, 0),
    ]


@pytest.mark.parametrize("sent", [request("/predict", b"[0]")[:-1], STREAM, STREAM + b"9\r\n0."])
@pytest.mark.parametrize("how", ["close", "break_off"])
def test_request_that_its_client_does_not_finish_is_logged_as_that(sent, how, logging):
    def talk(port):
        with client(port) as one:
            one.send(sent)
            ask(port, "/healthz")
            getattr(one, how)()
        assert until_counted(port, 499) == 0

    lines = [line for line in logging(talk) if line["method"] == "POST"]
    assert [(line["status"], line["bytes"]) for line in lines] == [(499, 0)]


def test_client_that_asks_nothing_is_not_logged(logging):
    def talk(port):
        for sent in (b"", b"\r\n", b"GET /heal", request("/healthz")):
            with client(port) as one:
                one.send(sent)
                if sent.endswith(b"\r\n\r\n"):
                    one.answer()

    assert [line["path"] for line in logging(talk)] == ["/healthz"]


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_log_that_is_full_keeps_no_request_and_what_is_lost_is_counted(kind, bundle, tmp_path):
    read, write = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    command, port = [sys.executable, "-m", "nbslim.runtime", bundle("predictor = abs")], free_port()
    with subprocess.Popen(command, env={**os.environ, "PORT": str(port)}, stdout=write) as process:
        os.close(write)
        try:
            wait_until_ready(f"http://127.0.0.1:{port}")
            with client(port) as one:
                for _ in range(130):
                    one.send(request("/predict", b"1") * 100)
                    assert [one.answer().status for _ in range(100)] == [200] * 100
                one.send(request("/metrics"))
                (lost,) = re.findall(
                    rb"^nbslim_access_log_lost_total (\d+)$", one.answer().body, re.MULTILINE
                )
            process.terminate()
            with open(read) as log:  # noqa: PTH123 - a file descriptor
                lines = log.readlines()
            assert 1000 < int(lost) < 3000
            assert len([json.loads(line) for line in lines if '"/predict"' in line]) == 13000 - int(lost)
            assert process.wait(60) == 0
        finally:
            process.kill()


def test_log_that_cannot_be_written_is_counted(bundle, serving):
    shell = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
    with serving(bundle(SLEEPY), prefix=shell) as server:
        for _ in range(3):
            assert ask(server.port, "/healthz").status == 200
        assert b"nbslim_access_log_lost_total 3\n" in ask(server.port, "/metrics").body
