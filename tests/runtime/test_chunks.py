"""Bodies in chunks, however they are cut on their way."""

import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbslim.runtime.chunks import LONGEST_LINE, Chunks


class Buffer(io.BytesIO):
    append = io.BytesIO.write


def received(pieces):
    """Return what was read of the pieces: how many bytes, the data, the chunks."""
    chunks = Chunks(Buffer())
    taken = sum(chunks.received(piece) for piece in pieces)
    return taken, chunks.buf.getvalue(), chunks


def cut(data, places):
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


PLACES = st.lists(st.integers(0, 1000), max_size=8)


@given(
    st.lists(st.binary(min_size=1, max_size=20)), PLACES, st.sampled_from([b"", b";a", b';a=b;c="d;\\"e"'])
)
def test_data_come_back_and_what_is_behind_them_is_left(data, places, extension):
    body = b"".join(b"%X%b\r\n%b\r\n" % (len(one), extension, one) for one in data)
    body += b"0\r\nX: y\r\n\r\n"
    for sent in (cut(body, places), [body + b"POST / HTTP/1.1"], [bytes([byte]) for byte in body]):
        taken, found, chunks = received(sent)
        assert (taken, found) == (len(body), b"".join(data))
        assert chunks.completed
        assert chunks.error is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\r\n", "no size"),
        (b"x\r\n", "no size"),
        (b"1\n", "no size"),
        (b"1 \r\n", "no size"),
        (b"1\r\r\n", "no size"),
        (b"1;\r\n", "no size"),
        (b"1_0\r\n", "no size"),
        (b"1\r\nab", "longer"),
        (b"1\r\na\n", "longer"),
        (b"1\r\na\rb", "longer"),
        (b"0\r\n\n", "no header"),
        (b"0\r\nx\r\n", "no header"),
        (b"0\r\nx: y\n", "no header"),
        (b"0\r\nx: \0\r\n", "no header"),
        (b"0\r\n" + b"x: y\r\n" * LONGEST_LINE, "too long"),
        (b"0" * (LONGEST_LINE + 1), "too long"),
    ],
)
@given(PLACES)
def test_anything_else_is_refused_as_soon_as_it_is_there(body, reason, places):
    for sent in (cut(body, places), [body]):
        _, _, chunks = received(sent)
        assert reason in str(chunks.error.body)
        assert not chunks.completed
