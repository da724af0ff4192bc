"""JSON lines, from the parser's own class to a client that reads answers while it still sends."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from client import ask, client, request
from hypothesis import given
from hypothesis import strategies as st
from nbslim.runtime.lines import AT_ONCE, Lines

SQUARE = """
    def validator(x):
        return x != 13

    def predictor(x):
        return x * x
"""
SLEEPY = """
    def predictor(seconds):
        import time
        time.sleep(seconds)
        return seconds
"""
NDJSON = "Content-Type: application/x-ndjson"
STREAM = request("/predict/batch", b"", NDJSON, "Transfer-Encoding: chunked", method="POST")


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@given(st.lists(st.text("ab \n", max_size=12).map(str.encode)))
def test_lines_are_those_of_the_whole_body_however_it_is_cut(pieces):
    lines = Lines(100)
    for piece in pieces:
        lines.append(piece)
    lines.end()
    assert lines.complete == [line for line in b"".join(pieces).split(b"\n") if line.strip()]


@given(st.lists(st.text("ab\n", max_size=12).map(str.encode)))
def test_of_a_line_over_the_limit_enough_is_kept_to_tell(pieces):
    lines = Lines(5)
    for piece in pieces:
        lines.append(piece)
    lines.end()
    whole = [line for line in b"".join(pieces).split(b"\n") if line]
    assert [line[:6] for line in lines.complete] == [line[:6] for line in whole]


def test_each_line_is_answered_before_the_next_one_is_sent(bundle, serving):
    with serving(bundle(SQUARE)) as server, client(server.port) as one:
        one.send(STREAM)
        for number in range(13):
            one.send(chunk(b"%d\n" % number))
            if not number:
                status, headers = one.head()
                assert (status, headers["content-type"]) == (200, "application/x-ndjson")
            assert json.loads(one.chunk()) == {"answer": number**2}
        one.send(chunk(b"20") + chunk(b""))
        assert b"".join(iter(one.chunk, b"")) == b'{"answer":400}\n'
        one.send(request("/predict", b"3"))
        assert one.answer().body == b"9"


@pytest.mark.parametrize("count", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 5 * AT_ONCE])
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n \n\n"])
def test_lines_are_answered_in_order_and_once(count, end, service):
    body = b"\n".join(b"%d" % number for number in range(count)) + end
    found = [json.loads(line) for line in ask(service, "/predict/batch", body, NDJSON).body.splitlines()]
    assert [one.get("answer") for one in found] == [n * n if n != 13 else None for n in range(count)]
    assert [number for number, one in enumerate(found) if "error" in one] == [13] * (count > 13)


@pytest.fixture(name="service", scope="module")
def _service(tmp_path_factory):
    from wire import service

    with service(tmp_path_factory.mktemp("lines"), SQUARE) as server:
        yield server.port


@pytest.mark.parametrize("how", ["", "Connection: keep-alive"])
def test_lines_by_http_1_0_end_with_the_connection(how, service):
    with client(service) as one:
        one.send(request("/predict/batch", b"1\n2", NDJSON, *[how] * bool(how), version="1.0"))
        answer = one.answer()
        assert answer.body == b'{"answer":1}\n{"answer":4}\n'
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("broken", [b"zz\r\n", b"4\r\n1\n2\nxx", b"1;=\r\n1\r\n", b"1" * 200_000])
def test_stream_that_is_no_http_any_more_ends_without_its_end(broken, service):
    with client(service) as one:
        one.send(STREAM + chunk(b"1\n"))
        assert one.head()[0] == 200
        assert one.chunk() == b'{"answer":1}\n'
        one.send(broken)
        assert not ends(one)
    assert ask(service, "/predict", b"3").body == b"9"


def test_behind_the_last_chunk_comes_no_endless_trailer(service):
    with client(service) as one:
        one.send(STREAM + chunk(b"1\n") + b"0\r\n")
        assert one.head()[0] == 200
        assert one.chunk() == b'{"answer":1}\n'
        for _ in range(5):
            one.send(b"a: b\r\n" * 10_000)
        assert not ends(one)


def ends(one):
    """Return whether the response's last chunk comes."""
    try:
        return all(iter(one.chunk, b""))
    except AssertionError:
        return False


def test_many_lines_let_other_requests_through(bundle, serving):
    with serving(bundle(SQUARE)) as server, client(server.port) as one, ThreadPoolExecutor(2) as pool:
        asked = threading.Event()
        streaming = pool.submit(send_until, asked, one)
        assert one.head()[0] == 200
        reading = pool.submit(lambda: b"".join(iter(one.chunk, b"")))
        try:
            for _ in range(20):
                assert ask(server.port, "/predict", b"2").body == b"4"
        finally:
            asked.set()
        assert reading.result() == b'{"answer":1}\n' * streaming.result()


def send_until(event, one):
    """Send lines, and return how many they were."""
    count = 0
    one.send(STREAM)
    while not event.is_set():
        one.send(chunk(b"1\n" * 3000))
        count += 3000
    one.send(chunk(b""))
    return count


def test_client_that_does_not_read_is_not_read_either(bundle, serving):
    with serving(bundle(SQUARE)) as server, client(server.port, timeout=3, receive_buffer=4096) as one:
        one.send(STREAM)
        with pytest.raises(TimeoutError):
            one.send(chunk(b"1\n" * 20_000) * 1000)
        assert memory(server.process.pid) < 100_000
        assert ask(server.port, "/predict", b"3").body == b"9"


def test_long_stream_takes_no_more_memory_than_a_short_one(bundle, serving):
    with serving(bundle("predictor = len")) as server:
        stream(server.port, megabytes=2)
        before = memory(server.process.pid)
        stream(server.port, megabytes=100)
        assert memory(server.process.pid) < before + 4000


def stream(port, megabytes):
    """Send lines of 100 KB, and read what comes back at the same time."""
    line = json.dumps("x" * 100_000).encode() + b"\n"
    with client(port) as one:
        one.send(STREAM)

        def send():
            for _ in range(megabytes * 10):
                one.send(chunk(line))
            one.send(chunk(b""))

        sending = threading.Thread(target=send)
        sending.start()
        answer = one.answer()
        sending.join()
    assert answer.body == b'{"answer":100000}\n' * megabytes * 10


def memory(process):
    """Resident memory in KiB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def test_line_over_the_limit_fails_alone(bundle, serving):
    with serving(bundle("predictor = len"), NBSLIM_MAX_BODY="1000") as server:
        body = b'"a"\n"' + b"x" * 50_000 + b'"\n"bc"\n'
        found = [
            json.loads(line) for line in ask(server.port, "/predict/batch", body, NDJSON).body.splitlines()
        ]
        assert found[0] == {"answer": 1}
        assert found[1]["error"]["status"] == 413
        assert found[2] == {"answer": 2}


def test_slow_lines_are_answered_as_they_are_done_and_cost_others_nothing(bundle, serving):
    with serving(bundle(SLEEPY), NBSLIM_REQUEST_TIMEOUT="1") as server, client(server.port) as one:
        one.send(STREAM)
        for _ in range(3):
            one.send(chunk(b"1.2\n"))  # longer than a client may be quiet
        one.send(chunk(b""))
        assert one.answer().body.count(b'{"answer":1.2}\n') == 3


def test_line_that_does_not_come_whole_is_told(bundle, serving):
    with serving(bundle(SQUARE), NBSLIM_REQUEST_TIMEOUT="1") as server, client(server.port) as one:
        one.send(STREAM + b"9\r\n[1, 2")
        answer = one.answer()
        assert (answer.status, json.loads(answer.body)["type"]) == (408, "urn:nbslim:timeout")
        assert one.closed()
