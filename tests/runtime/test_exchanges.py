"""The server that answers here is a socket, so that it can answer what no server should."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from nbslim.runtime.exchanges import Response, ask


def asked(request, *parts, closes=True):
    """Ask a server that sends `parts` and closes the connection, or keeps it."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as thread:
        asking = thread.submit(ask, listener.getsockname()[1], request, 0.5)
        connection, _ = listener.accept()
        with connection:
            received = connection.recv(1000)
            for part in parts:
                connection.sendall(part)
            if not closes:
                asking.result()
        return received, asking.result()


def test_request_is_sent_as_it_is():
    received, _ = asked(b"\xff\x00 no HTTP\n")
    assert received == b"\xff\x00 no HTTP\n"


def test_response_is_read_until_the_server_closes():
    parts = [b"HTTP/1.0 418 I'm a", b" teapot\r\nX: y\r\nCONTENT-TYPE:  text/a; b=c\r\n\r", b"\none", b" two"]
    assert asked(b"x", *parts)[1] == Response(418, "text/a; b=c", b"one two")


def test_response_without_content_has_neither_type_nor_body():
    assert asked(b"x", b"HTTP/1.1 204 No Content\r\n\r\n")[1] == Response(204)


def test_later_headers_lose_what_changes_from_run_to_run():
    later = b"HTTP/1.1 200 OK\r\nDate: today\r\nA: b\r\nserver: me\r\n\r\nsaid\r\nDate: keep"
    _, response = asked(b"x", b"HTTP/1.1 200 OK\r\n\r\n1", later)
    assert response.body == b"1HTTP/1.1 200 OK\r\nA: b\r\n\r\nsaid\r\nDate: keep"


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nX: y\r\n", b"no HTTP"])
def test_connection_closed_without_a_response_says_so(part):
    assert asked(b"x", part)[1] == Response(problem="the connection was closed without a response")


@pytest.mark.parametrize(
    ("part", "status", "body"),
    [(b"", 0, b""), (b"HTTP/1.1 200 OK\r\n\r\nhal", 200, b"hal")],
    ids=["nothing", "half"],
)
def test_response_that_does_not_end_says_so(part, status, body):
    _, response = asked(b"x", part, closes=False)
    assert response == Response(status, "", body, "the connection was still open after 0.5 s")


def test_port_without_server_is_a_response():
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        response = ask(bound.getsockname()[1], b"x")
    assert response == Response(problem="the connection broke: Connection refused")
