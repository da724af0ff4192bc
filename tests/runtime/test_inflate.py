import gzip
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbslim.runtime.decode import DecodeError
from nbslim.runtime.inflate import TooLargeError, UnsupportedEncodingError, inflate

LIMIT = 1000
BODY = b"[0.1, 0.2]"
GZIP = gzip.compress(BODY)


def deflated(body):
    """Bare deflate, as some browsers send it."""
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(body) + deflater.flush()


def changed(data, index):
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :]


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", GZIP),
        ("x-gzip", GZIP),
        (" GZip\t", GZIP),
        ("deflate", zlib.compress(BODY)),
        ("deflate", zlib.compress(BODY, 0)),
        ("Deflate", deflated(BODY)),
        ("identity", BODY),
        ("", BODY),
    ],
)
def test_encoding_is_undone(encoding, data):
    assert inflate(data, encoding, LIMIT) == BODY


@given(st.binary())
def test_what_was_deflated_comes_back(body):
    for encoding, data in [
        ("gzip", gzip.compress(body)),
        ("deflate", zlib.compress(body)),
        ("deflate", deflated(body)),
    ]:
        assert inflate(data, encoding, len(body)) == body


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "compress", "gzip, gzip", "gzip,identity", "gzip;q=1", "\x00"]
)
def test_other_encodings_and_several_are_not_supported(encoding):
    with pytest.raises(UnsupportedEncodingError, match="one of gzip, deflate"):
        inflate(GZIP, encoding, LIMIT)


@pytest.mark.parametrize(
    ("encoding", "data", "reason"),
    [
        ("gzip", b"", "its gzip data end too early"),
        ("gzip", BODY, "it is not gzip: incorrect header check"),
        ("gzip", GZIP[:5], "its gzip data end too early"),
        ("gzip", GZIP[:-1], "its gzip data end too early"),
        ("gzip", GZIP[:-8], "its gzip data end too early"),
        ("gzip", changed(GZIP, -8), "it is not gzip: incorrect data check"),
        ("gzip", changed(GZIP, -1), "it is not gzip: incorrect length check"),
        ("gzip", GZIP + b"x", "there is more behind its gzip data"),
        ("gzip", GZIP + GZIP, "there is more behind its gzip data"),
        ("gzip", zlib.compress(BODY), "it is not gzip: incorrect header check"),
        ("deflate", b"", "its deflate data end too early"),
        ("deflate", GZIP, "it is not deflate"),
        ("deflate", changed(zlib.compress(BODY), -1), "it is not deflate: incorrect data check"),
        ("deflate", zlib.compress(BODY)[:-1], "its deflate data end too early"),
        ("deflate", zlib.compress(BODY) + b"\n", "there is more behind its deflate data"),
        ("deflate", deflated(BODY) + b"\n", "there is more behind its deflate data"),
        ("deflate", b"\xff", "it is not deflate: invalid block type"),
    ],
)
def test_broken_data_are_refused(encoding, data, reason):
    with pytest.raises(DecodeError, match=reason) as caught:
        inflate(data, encoding, LIMIT)
    assert caught.value.kind == "broken-encoding"


@given(st.binary(), st.sampled_from(["gzip", "deflate"]))
def test_no_data_raise_anything_else(data, encoding):
    try:
        inflate(data, encoding, LIMIT)
    except (DecodeError, TooLargeError):
        return


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("", bytes)]
)
def test_limit_is_of_the_inflated_size(encoding, compress):
    assert inflate(compress(b"x" * LIMIT), encoding, LIMIT) == b"x" * LIMIT
    with pytest.raises(TooLargeError, match="larger than 1000 bytes"):
        inflate(compress(b"x" * (LIMIT + 1)), encoding, LIMIT)


BOMB = """
import resource, zlib
from nbslim.runtime.inflate import inflate, TooLargeError
deflater = zlib.compressobj(9, wbits=31)
first, next = (deflater.compress(bytes(1 << 20)) + deflater.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
bomb = first + next * (10 << 10)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    inflate(bomb, "gzip", 8 << 20)
except TooLargeError:
    print(len(bomb) >> 20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_bomb_of_ten_gigabytes_stops_at_the_limit():
    done = subprocess.run(
        [sys.executable, "-c", BOMB], capture_output=True, text=True, timeout=300, check=True
    )
    megabytes, kilobytes = map(float, done.stdout.split())
    assert megabytes == 10
    assert kilobytes < 3 * (8 << 10) + megabytes * (1 << 10)


def test_zlib_is_imported_when_it_is_needed(alone):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from nbslim.runtime.inflate import inflate\n"
        "inflate(b'', 'identity', 1)\n"
        "print('zlib' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, alone], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
