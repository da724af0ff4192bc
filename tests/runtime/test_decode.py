import pytest
from nbslim.runtime.decode import DecodeError, decode


@pytest.mark.parametrize(
    ("body", "value"),
    [(b"[0.1, 0.2]", [0.1, 0.2]), (b'"\xc3\xa4"', "ä"), (b"\xef\xbb\xbf1", 1), (b" null ", None)],
)
def test_json_is_read(body, value):
    assert decode(body) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"{bad", "Expecting property name"),
        (b"1 2", "Extra data"),
        (b"[NaN]", "NaN is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"\xff", "byte 0 is not UTF-8"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"9" * 5000, "digits"),
    ],
    ids=["empty", "blank", "object", "two values", "NaN", "Infinity", "not UTF-8", "deep", "long integer"],
)
def test_anything_else_is_refused_with_a_reason(body, reason):
    with pytest.raises(DecodeError, match=reason):
        decode(body)
