"""The access log, as it leaves the process."""

import json
import os
import re
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


@pytest.fixture(name="logging")
def _logging(bundle, serving, tmp_path):
    """Serve while `talk` is called with the port; return the lines of the log."""

    def run(talk, **environ):
        log = tmp_path / "log"
        shell = ["sh", "-c", f'exec "$@" > {log}', "sh"]
        with serving(bundle(SLEEPY), prefix=shell, **environ) as server:
            talk(server.port)
            server.process.terminate()
            assert server.process.wait(10) == 0
        return [json.loads(line) for line in log.read_text().splitlines()]

    return run


def test_each_request_has_a_line_of_json(logging):
    def talk(port):
        ask(port, "/predict?secret=1", b"0")
        ask(port, '/no "thing" \\ \x01'.replace(" ", "%20").replace('"', "%22").replace("\x01", "%01"))
        ask(port, "/" + "x" * 5000)
        ask(port, "/predict", b"[")
        ask(port, "/predict/batch", b"0\n0\n", "Content-Type: application/x-ndjson")

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
    assert lines[0]["bytes"] == 1
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in lines)


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
        time.sleep(0.1)

    lines = logging(talk, NBSLIM_WORKERS="2", NBSLIM_THREADS="2")
    assert len(lines) == len({line["request_id"] for line in lines}) == 1200


def test_nobody_needs_to_read_the_log(bundle, serving):
    shell = ["bash", "-c", 'exec "$@" > >(true)', "bash"]
    with serving(bundle(SLEEPY), prefix=shell) as server, client(server.port) as one:
        for _ in range(50):
            one.send(request("/predict", b"0"))
            assert one.answer().body == b"0"


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
            assert process.wait(10) == 0
        finally:
            process.kill()


def test_log_that_cannot_be_written_is_counted(bundle, serving):
    shell = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
    with serving(bundle(SLEEPY), prefix=shell) as server:
        for _ in range(3):
            assert ask(server.port, "/healthz").status == 200
        assert b"nbslim_access_log_lost_total 3\n" in ask(server.port, "/metrics").body
