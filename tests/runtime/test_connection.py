"""Connections as clients treat them, each in a way that servers get wrong."""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from client import Client, ask, client, refuses, request
from held import HELD, in_flight
from nbslim.runtime.app import create_app
from nbslim.runtime.connection import Connection
from nbslim.runtime.figures import Figures
from nbslim.runtime.server import Server, listen
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings
from support import free_port, until

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
        until(lambda: in_flight(server.port) == 0)


EVERYTHING = {"NBSLIM_THREADS": "2", "NBSLIM_WORKERS": "2", "NBSLIM_BATCH_WINDOW_MS": "1"}


@pytest.mark.parametrize("environ", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize(
    "sent",
    [
        request("/predict", b"0", "Expect: 100-continue"),
        request("/predict/batch", b"0\n0\n", NDJSON) + request("/healthz"),
        request("/predict/batch", b"", NDJSON, "Transfer-Encoding: chunked", method="POST")
        + b"2\r\n0\n\r\n0\r\n\r\n",
    ],
    ids=["expected body", "pipelined lines", "lines in chunks"],
)
def test_client_may_go_after_each_byte(sent, environ, bundle, serving):
    with serving(bundle(SLEEPY), **environ) as server:
        for end in range(1, len(sent) + 1):
            for how in ("close", "break_off", "send_no_more"):
                with client(server.port) as one:
                    one.send(sent[:end])
                    if how != "send_no_more":
                        getattr(one, how)()
                        continue
                    one.socket.shutdown(socket.SHUT_WR)
                    while not one.ended:
                        one._receive()
        time.sleep(0.3)
        assert ask(server.port, "/predict", b"0").body == b"0"
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


class Interrupted(Connection):
    """Is kept, when its next request has to wait for its client, until that has read all."""

    @property
    def _held(self):
        return self._is_held

    @_held.setter
    def _held(self, value):
        self._is_held = value
        if value:
            until(lambda: not self._is_held)


@pytest.mark.filterwarnings("ignore:send_bytes:DeprecationWarning")
def test_request_that_waits_for_its_client_is_answered_once_whenever_that_has_read_all(entry_points):
    service = Service(read_settings({}), Figures(2))
    service.serve(entry_points(LARGE))
    server = Server(service, create_app(service), listen("127.0.0.1", 0))
    server.channel_class = Interrupted
    server.loop.start()
    sizes = [12_000_000, 1, 2]
    with client(server.socket.getsockname()[1]) as one:
        for _ in range(2):
            one.send(b"".join(request("/predict", b"%d" % size) for size in sizes))
            assert [json.loads(one.answer().body) for _ in sizes] == ["x" * size for size in sizes]
    assert server.stop(60)


def test_client_that_asks_on_without_reading_fills_no_memory(bundle, serving):
    environ = {"NBSLIM_REQUEST_TIMEOUT": "2"}
    with serving(bundle(LARGE), **environ) as server, client(server.port, receive_buffer=4096) as one:
        one.send(request("/predict", b"3000000") * 300)
        assert len(one.answer().body) == 3_000_002
        until(lambda: not connections(server.process.pid))
        size = Path(f"/proc/{server.process.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        assert int(size) < 100_000
        with pytest.raises(AssertionError, match=r"missing|closed"):
            [one.answer() for _ in range(299)]


def test_client_that_reads_nothing_is_closed_in_time(bundle, serving):
    with (
        serving(bundle(LARGE), NBSLIM_REQUEST_TIMEOUT="1") as server,
        client(server.port, receive_buffer=4096) as one,
    ):
        one.send(request("/predict", b"30000000"))
        select.select([one.socket], [], [])
        until(lambda: not connections(server.process.pid))
        with pytest.raises(AssertionError, match="missing"):
            one.answer()


def connections(process):
    """Return how many connections a process has; the socket that listens is none."""
    count = -1
    for file in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            count += str(file.readlink()).startswith("socket:")
    return count


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
        one.send(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n" + b"x" * 2000)
        select.select([one.socket], [], [])
        for _ in range(20):
            one.send(b"x" * 100_000)
        assert one.answer().status == 413
        assert one.closed()


def test_half_a_request_behind_a_slow_one_has_its_own_time(bundle, serving):
    half = request("/predict", b"0")
    with serving(bundle(SLEEPY), NBSLIM_REQUEST_TIMEOUT="3") as server, client(server.port) as one:
        one.send(request("/predict", b"5") + half[:-1])
        assert one.answer().body == b"5"
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
def test_pipelined_requests_that_came_before_the_signal_are_answered(threads, bundle, serving, held):
    environ = {"NBSLIM_THREADS": threads, "NBSLIM_STOP_TIMEOUT": "60"}
    with serving(bundle(HELD), **environ) as server:
        with client(server.port) as one, client(server.port) as other:
            other.send(request("/predict", b"0")[:-1])
            one.send(request("/predict", held.body) + request("/predict", b"0") + request("/readyz"))
            held.wait()
            server.process.send_signal(signal.SIGTERM)
            until(lambda: refuses(server.port))
            other.send(b"0")
            held.let_go()
            found = [one.answer() for _ in range(3)]
            assert [answer.status for answer in found] == [200, 200, 503]
            assert ["connection" in answer.headers for answer in found] == [False, False, True]
            assert other.answer().status == 200
        assert server.process.wait(60) == 0


def test_server_without_room_for_more_connections_answers_those_that_it_has(bundle):
    code = "import resource, runpy; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)); "
    command = [sys.executable, "-c", code + "runpy.run_module('nbslim.runtime', run_name='__main__')"]
    variables = {**os.environ, "PORT": str(free_port()), "NBSLIM_BUNDLE": str(bundle("predictor = str"))}
    with (
        contextlib.ExitStack() as stack,
        subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True) as process,
    ):
        stack.callback(process.kill)
        begin = time.monotonic()
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
        assert process.wait(60) == 0
        told = process.stderr.read().count("no connection can be accepted: Too many open files")
        assert 1 <= told <= time.monotonic() - begin + 1  # once in a second


def cpu_seconds(process):
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
