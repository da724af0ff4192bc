import json
import math
import subprocess

import pytest
from guests import guest_pythons
from hypothesis import example, given
from hypothesis import strategies as st
from nbslim.runtime.decode import KINDS, DecodeError, Decoder, decode

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | FINITE | UNICODE,
    lambda inner: st.lists(inner) | st.dictionaries(UNICODE, inner),
)
SCRAPS = st.sampled_from(
    [
        *("[", "]", "{", "}", '"', "\\", ",", ":", " ", "\n", "\ufeff", "\x00", "é", "true", "null", '"a":'),
        *("NaN", "-Infinity", "1e999", "1E+400", "0", "-", "e9", "\\ud83d", "\\u0061", "9" * 201, "9" * 4301),
    ]
)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[0.1, 0.2]", [0.1, 0.2]),
        (b'"\xc3\xa4"', "ä"),
        (b"\xef\xbb\xbf1", 1),
        (b"\xef\xbb\xbf\r\n\t 1", 1),
        (b" null \r\n", None),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud83d"', "\\ud83d"),
        (b'"NaN 1e999"', "NaN 1e999"),
        (b'{"a":1,"b":{"a":1}}', {"a": 1, "b": {"a": 1}}),
        (b"1e-999", 0.0),
        (b"1e308", 1e308),
        (b"0." + b"1" * 5000, 0.1111111111111111),
        (b'"' + b"7" * 5000 + b'"', "7" * 5000),
        (b"9" * 4300, 10**4300 - 1),
        (b"-" + b"9" * 4300, 1 - 10**4300),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_json_is_read(body, value):
    assert decode(body) == value


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (b"", "not-json", "it is empty"),
        (b" \n", "not-json", "it is empty"),
        (b"\xef\xbb\xbf", "not-json", "it is empty"),
        (b"{bad", "not-json", "expecting property name enclosed in double quotes at line 1, column 2"),
        (b"[1,\n 2", "not-json", "expecting ',' delimiter at line 2, column 3"),
        (b'"a\nb"', "not-json", "invalid control character at line 1, column 3"),
        (b"1 2", "not-json", "more than one value at line 1, column 3"),
        (b"1\n\n2", "not-json", "more than one value at line 3, column 1"),
        (b"\x001", "not-json", "expecting value at line 1, column 1"),
        ("[1]".encode("utf-16"), "not-json", "byte 0 is not UTF-8"),
        ("[1]".encode("utf-16-le"), "not-json", "expecting value at line 1, column 2"),
        (b'"\xff"', "not-json", "byte 1 is not UTF-8"),
        (b'"\xed\xa0\x80"', "not-json", "byte 1 is not UTF-8"),
        (b"[NaN]", "not-finite", "NaN is not JSON at line 1, column 2"),
        (b'["NaN",\n-Infinity]', "not-finite", "-Infinity is not JSON at line 2, column 1"),
        (b"[1e5, -1e999]", "not-finite", "a number too large for a float at line 1, column 7"),
        (b"1E+999", "not-finite", "a number too large for a float at line 1, column 1"),
        (b"1e999+5", "not-finite", "a number too large for a float"),
        (b"1" * 400 + b".5", "not-finite", "a number too large for a float at line 1, column 1"),
        (
            b"[1," + b"9" * 4301 + b"]",
            "too-many-digits",
            "an integer of more than 4300 digits at line 1, column 4",
        ),
        (b'{"a":1,"a":1}', "duplicate-key", "a key comes twice in one object at line 1, column 8"),
        (b'["\\"a", {"b":{"a":1},\n"\xc3\xa4":1, "\\u0062" :1}]', "duplicate-key", "line 2, column 8"),
        (b"[" * 101 + b"]" * 101, "too-deep", "it is nested more than 100 deep"),
        (b'"\\ud800"', "not-unicode", "half of a surrogate pair at line 1, column 2"),
        (b'{"a\\\\\\uDE00":1}', "not-unicode", "half of a surrogate pair at line 1, column 6"),
        (b'"\\ud83d\\\\\\ude00"', "not-unicode", "half of a surrogate pair at line 1, column 2"),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_anything_else_is_refused_with_a_reason_and_a_place(body, kind, reason):
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert (caught.value.kind, reason in str(caught.value)) == (kind, True), caught.value


def test_body_is_never_quoted():
    for body in (b'{"secret":1,"secret":2}', b"[secret]", b'"secret\n"', b"[1" * 101, b'"secret\\ud800"'):
        with pytest.raises(DecodeError) as caught:
            decode(body)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"), [("NaN", math.nan), ("-Infinity", -math.inf), ("1e999", math.inf)]
)
def test_numbers_that_are_not_finite_are_a_policy(text, value):
    body = f"[{text}]".encode()
    assert repr(Decoder(nan=True).decode(body)) == repr([value])
    with pytest.raises(DecodeError):
        decode(body)


def test_long_integer_is_refused_where_infinities_are_not():
    with pytest.raises(DecodeError, match="digits"):
        Decoder(nan=True).decode(b"9" * 4301)


@pytest.mark.parametrize("limit", [0, 1, 100, 300])
def test_nesting_is_limited_to_the_number(limit):
    def nested(depth):
        return (
            '{"[[[[\\"":[' * (depth // 2) + "[" * (depth % 2) + "]" * (depth % 2) + "]}" * (depth // 2)
        ).encode()

    if limit:
        Decoder(max_depth=limit).decode(nested(limit))
    with pytest.raises(DecodeError, match=f"more than {limit} deep"):
        Decoder(max_depth=limit).decode(nested(limit + 1))


def test_brackets_side_by_side_or_in_strings_are_not_nested():
    assert decode(b"[" + b"[],{}," * 200 + b"1]")[-1] == 1
    assert decode(b'["' + b"[" * 200 + b'\\"[\\\\"]') == ["[" * 200 + '"[\\']
    assert decode(b'["\\\\",' + b'"[",' * 200 + b"1]")[-1] == 1


def test_limit_beyond_pythons_own_is_no_crash():
    with pytest.raises(DecodeError) as caught:
        Decoder(max_depth=10**9).decode(b"[" * 1_000_000)
    assert caught.value.kind == "too-deep"


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_json_writes_is_read_as_json_reads_it(value, ascii_only, indent):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert repr(Decoder(max_depth=1000).decode(text.encode())) == repr(json.loads(text))


def read(decoder, body):
    """Return the value and None, or None and the kind of the DecodeError."""
    try:
        return decoder.decode(body), None
    except DecodeError as error:
        return None, error.kind


@given(st.lists(SCRAPS | UNICODE).map("".join) | UNICODE)
@example('{"a":1,"a":')
@example('}{"a":1,"a":1}')
@example('"a":1')
def test_what_is_read_is_what_json_reads(text):
    value, kind = read(Decoder(), text.encode())
    if kind is None:
        assert repr(value) == repr(json.loads(text.removeprefix("\ufeff")))
    elif kind == "not-json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(text)


@given(st.binary() | st.lists(SCRAPS.map(str.encode) | st.binary(max_size=3)).map(b"".join))
def test_no_bytes_raise_anything_else(body):
    for decoder in (Decoder(), Decoder(max_depth=3, nan=True)):
        assert read(decoder, body)[1] in {None, *KINDS}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000_000,
        b'{"a":' * 2_000_000,
        b'["' + b"\\\\" * 4_000_000 + b'",NaN]',
        b'"' + b'\\"' * 4_000_000,
        b"9" * 5_000_000,
        b"-" + b"9" * 5_000_000 + b".5",
        b"[" + b'"a",' * 2_000_000 + b"1e999]",
        b'{"a":1,' + b'"b":2,' * 1_000_000 + b'"a":1}',
        b"[" + b"[]," * 2_500_000,
        b'[{"' + b'","' * 2_500_000,
        b'"' + b"\\ud83d\\ude00" * 600_000 + b'\\ud83d"',
    ],
    ids=lambda body: repr(body[:10]),
)
def test_hostile_body_is_refused_without_recursion_or_quadratic_work(body):
    with pytest.raises(DecodeError):
        decode(body)


@pytest.mark.parametrize("python", guest_pythons())
def test_long_integer_is_refused_on_every_python(python, alone):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from nbslim.runtime.decode import Decoder, DecodeError\n"
        "for body in (b'9' * 5_000_000, b'[' * 5_000_000):\n"
        "    try: Decoder(max_depth=10**9).decode(body)\n"
        "    except DecodeError as error: print(error.kind)\n"
    )
    done = subprocess.run(
        [python, "-I", "-S", "-c", code, alone], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["too-many-digits", "too-deep"]
