"""Connections as clients treat them, each in a way that servers get wrong."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from client import Client, ask, client, request
from support import free_port

SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""
LARGE = "predictor = lambda size: 'x' * size"
NDJSON = "Content-Type: application/x-ndjson"


@pytest.mark.parametrize("environ", [{}, {"NBSLIM_THREADS": "2"}, {"NBSLIM_BATCH_WINDOW_MS": "300"}])
@pytest.mark.parametrize("seconds", [b"0", b"0.3"])
def test_client_that_sends_no_more_gets_its_answer(environ, seconds, bundle, serving):
    with serving(bundle(SLEEPY), **environ) as server:
        ask(server.port, "/predict", seconds)
        with client(server.port) as one:
            one.send(request("/predict", seconds))
            time.sleep(0.02)
            one.socket.shutdown(socket.SHUT_WR)
            assert one.answer().body == seconds
            assert one.closed()


@pytest.mark.parametrize("environ", [{}, {"NBSLIM_THREADS": "2"}, {"NBSLIM_BATCH_WINDOW_MS": "20"}])
def test_pipelined_requests_are_answered_in_their_order(environ, bundle, serving):
    sent = [b"0.1", b"0", b"0.05", b"0", b"0.2", b"0"]
    with serving(bundle(SLEEPY), **environ) as server, client(server.port) as one:
        one.send(b"".join(request("/predict", body) for body in sent))
        assert [one.answer().body for _ in sent] == sent


@pytest.mark.parametrize("threads", ["1", "2"])
def test_pipelined_requests_of_all_kinds_are_answered_once_each(threads, bundle, serving):
    lines = request("/predict/batch", b"0\n0.1\n", NDJSON)
    sent = request("/predict", b"0.3") + lines + request("/healthz") + request("/predict", b"0") + lines
    with serving(bundle(SLEEPY), NBSLIM_THREADS=threads) as server, client(server.port) as one:
        for _ in range(2):
            one.send(sent)
            found = [one.answer() for _ in range(5)]
            assert [answer.status for answer in found] == [200] * 5
            assert found[0].body == b"0.3"
            assert found[1].body == found[4].body == b'{"answer":0}\n{"answer":0.1}\n'
            assert found[3].body == b"0"


def test_lines_that_come_behind_a_slow_request_wait_for_it(bundle, serving):
    head, tail = request("/predict/batch", b"0\n0.1\n", NDJSON)[:-4], b"0.1\n"
    with serving(bundle(SLEEPY), NBSLIM_THREADS="2") as server, client(server.port) as one:
        one.send(request("/predict", b"0.5") + head)
        time.sleep(0.2)
        one.send(tail)
        assert one.answer().body == b"0.5"
        assert one.answer().body == b'{"answer":0}\n{"answer":0.1}\n'
        one.send(request("/predict", b"0"))
        assert one.answer().body == b"0"


@pytest.mark.parametrize("how", ["close", "break_off"])
@pytest.mark.parametrize("environ", [{}, {"NBSLIM_THREADS": "3"}, {"NBSLIM_BATCH_WINDOW_MS": "100"}])
def test_client_that_is_gone_does_not_change_what_others_get(how, environ, bundle, serving):
    with serving(bundle(SLEEPY), **environ) as server:
        for _ in range(10):
            gone = [Client(server.port) for _ in range(4)]
            for one in gone:
                one.send(request("/predict", b"0.01"))
            for one in gone:
                getattr(one, how)()
            with client(server.port) as one:
                one.send(request("/predict", b"0.02"))
                assert one.answer().body == b"0.02"
        time.sleep(0.5)
        assert b"nbslim_requests_in_flight 1\n" in ask(server.port, "/metrics").body  # this one


@pytest.mark.parametrize("threads", ["1", "2"])
def test_large_responses_arrive_whole_at_a_client_that_reads_slowly(threads, bundle, serving):
    sizes = [3_000_000, 1, 2_000_000, 5]
    with (
        serving(bundle(LARGE), NBSLIM_THREADS=threads) as server,
        client(server.port, receive_buffer=4096) as one,
    ):
        one.send(b"".join(request("/predict", b"%d" % size) for size in sizes))
        time.sleep(0.3)
        for size in sizes:
            assert json.loads(one.answer().body) == "x" * size


def test_client_that_asks_on_without_reading_fills_no_memory(bundle, serving):
    environ = {"NBSLIM_REQUEST_TIMEOUT": "2"}
    with serving(bundle(LARGE), **environ) as server, client(server.port, receive_buffer=4096) as one:
        one.send(request("/predict", b"3000000") * 300)
        time.sleep(1)
        size = Path(f"/proc/{server.process.pid}/status").read_text().partition("VmRSS:")[2].split()[0]
        assert int(size) < 100_000
        for _ in range(3):
            assert len(one.answer().body) == 3_000_002
        time.sleep(4.5)
        with pytest.raises(AssertionError, match=r"missing|closed"):
            [one.answer() for _ in range(297)]


def test_client_that_reads_nothing_is_closed_in_time(bundle, serving):
    with (
        serving(bundle(LARGE), NBSLIM_REQUEST_TIMEOUT="1") as server,
        client(server.port, receive_buffer=4096) as one,
    ):
        one.send(request("/predict", b"30000000"))
        time.sleep(3.5)
        with pytest.raises(AssertionError, match="missing"):
            one.answer()


def test_body_is_asked_for_before_it_is_sent(bundle, serving):
    expect = "Expect: 100-continue"
    with serving(bundle(LARGE)) as server, client(server.port) as one:
        for _ in range(2):
            sent = request("/predict", b"3", expect)
            one.send(sent[:-1])
            assert one.head()[0] == 100
            one.send(sent[-1:])
            assert one.answer().body == b'"xxx"'
        one.send(request("/healthz", b"", expect) + request("/healthz", b"", expect))
        assert [one.answer().status for _ in range(2)] == [200, 200]


def test_body_that_is_too_large_is_not_asked_for(bundle, serving):
    sent = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n"
    with serving(bundle(LARGE), NBSLIM_MAX_BODY="1000") as server, client(server.port) as one:
        one.send(sent)
        assert one.answer().status == 413


def test_client_that_still_sends_can_read_why_it_need_not(bundle, serving):
    with serving(bundle(LARGE), NBSLIM_MAX_BODY="1000") as server, client(server.port) as one:
        one.send(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(20):
            one.send(b"x" * 100_000)
            time.sleep(0.02)
        assert one.answer().status == 413
        assert one.closed()


def test_half_a_request_behind_a_slow_one_has_its_own_time(bundle, serving):
    half = request("/predict", b"0")
    with serving(bundle(SLEEPY), NBSLIM_REQUEST_TIMEOUT="1") as server, client(server.port) as one:
        one.send(request("/predict", b"2.5") + half[:-1])
        assert one.answer().body == b"2.5"
        one.send(half[-1:])
        assert one.answer().body == b"0"


def test_slow_request_is_told_and_closed(bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_REQUEST_TIMEOUT="1") as server, client(server.port) as one:
        one.send(request("/predict", b"0")[:-1])
        answer = one.answer()
        assert (answer.status, json.loads(answer.body)["type"]) == (408, "urn:nbslim:timeout")
        assert one.closed()


def test_idle_connection_is_closed(bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_IDLE_TIMEOUT="1") as server, client(server.port) as one:
        one.send(request("/predict", b"1.5"))
        assert one.answer().body == b"1.5"
        assert one.closed()


@pytest.mark.parametrize(("seconds", "closes"), [(3600, False), (-3600, True)])
def test_clock_that_is_set_neither_closes_connections_nor_keeps_them(seconds, closes, bundle, serving):
    predictor = """
        def predictor(seconds):
            import time
            before = time.time
            time.time = lambda: before() + seconds
            return seconds
    """
    limit = "1" if closes else "60"
    with serving(bundle(predictor), NBSLIM_IDLE_TIMEOUT=limit) as server, client(server.port, 5) as one:
        assert ask(server.port, "/predict", str(seconds).encode()).status == 200
        time.sleep(0 if closes else 2.5)
        assert one.closed() if closes else not one.is_stale()


@pytest.mark.parametrize("threads", ["1", "2"])
def test_pipelined_requests_that_came_before_the_signal_are_answered(threads, bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_THREADS=threads) as server, ThreadPoolExecutor(1) as pool:
        with client(server.port) as one, client(server.port) as other:
            one.send(request("/predict", b"0.5") + request("/predict", b"0") + request("/readyz"))
            other.send(request("/predict", b"0.1")[:-1])
            time.sleep(0.2)
            server.process.send_signal(signal.SIGTERM)
            later = pool.submit(other.answer)
            other.send(b"1")
            found = [one.answer() for _ in range(3)]
            assert [answer.status for answer in found] == [200, 200, 503]
            assert ["connection" in answer.headers for answer in found] == [False, False, True]
            assert later.result().body == b"0.1"
        assert server.process.wait(timeout=10) == 0


def test_server_without_room_for_more_connections_answers_those_that_it_has(bundle):
    code = "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); "
    command = [sys.executable, "-c", code + "runpy.run_module('nbslim.runtime', run_name='__main__')"]
    variables = {**os.environ, "PORT": str(free_port()), "NBSLIM_BUNDLE": str(bundle("predictor = str"))}
    with (
        contextlib.ExitStack() as stack,
        subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as process,
    ):
        stack.callback(process.kill)
        assert "listens" in process.stderr.readline()
        port = int(variables["PORT"])
        many = [stack.enter_context(client(port)) for _ in range(60)]
        for one in many[:10]:
            one.send(request("/healthz"))
            assert one.answer().status == 200
        before = cpu_seconds(process.pid)
        time.sleep(2)
        assert cpu_seconds(process.pid) - before < 0.5
        for one in many[:40]:
            one.close()
        many[-1].send(request("/predict", b"1"))
        assert many[-1].answer().body == b'"1"'
        process.terminate()
        assert process.wait(timeout=10) == 0
        assert 1 <= process.stderr.read().count("no connection can be accepted: Too many open files") <= 8


def cpu_seconds(process):
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
