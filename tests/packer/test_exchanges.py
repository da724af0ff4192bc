"""Requests are made from samples: the same each time, not too many, and all that a request's form may be."""

import gzip
import http.client
import io
import json
import zlib

import pytest
from nbslim.packer.exchanges import SAMPLES, VARIATIONS, exchanges

KINDS = [
    None,
    True,
    0,
    -1.5,
    "",
    "text \u00e9\U0001f600",
    [],
    {},
    [1, "a", None],
    {"a": [1], "b": None},
    [[1, 2], [3, 4]],
]


def body(exchange):
    """The body of a request, read as a server does."""
    head, _, rest = exchange.request.partition(b"\r\n\r\n")
    headers = http.client.parse_headers(io.BytesIO(head.partition(b"\r\n")[2] + b"\r\n\r\n"))
    if headers["Transfer-Encoding"] != "chunked":
        assert int(headers["Content-Length"] or 0) == len(rest)
        return rest
    whole = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        whole, rest = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("sample", KINDS, ids=repr)
def test_every_kind_of_sample_is_sent_first_and_as_it_is(sample):
    first = exchanges([sample])[0]
    assert first.about == "sample 1"
    assert first.request.startswith(b"POST /predict HTTP/1.1\r\n")
    assert json.loads(body(first)) == sample


@pytest.mark.parametrize("sample", KINDS, ids=repr)
def test_other_forms_of_a_sample_hold_the_same_value(sample):
    forms = [one for one in exchanges([sample]) if one.about.startswith(("a sample", "an "))]
    assert len(forms) == 8
    inflate = {"a sample in gzip": gzip.decompress, "a sample in deflate": zlib.decompress}
    for one in forms:
        assert json.loads(inflate.get(one.about, bytes)(body(one)).decode("utf-8-sig")) == sample


def test_all_samples_are_sent_as_batches_alone_and_with_a_row_that_is_strange():
    batches = [one for one in exchanges([1, "a"]) if b" /predict/batch " in one.request]
    assert [one.about for one in batches] == [
        "all samples in an array", "all samples in lines", "a strange row in an array", "a strange row in lines",
    ]  # fmt: skip
    assert body(batches[0]) == b'[1, "a"]'
    assert body(batches[3]) == b'1\n"a"\n[[null]]\n1\n'


@pytest.mark.parametrize("sample", KINDS, ids=repr)
def test_variations_are_json_that_the_samples_are_not_made_from(sample):
    varied = [body(one) for one in exchanges([sample]) if one.about == "a variation"]
    assert len(varied) == len(set(varied)) > 8
    for text in varied:
        json.loads(text)


def test_requests_are_the_same_each_time():
    assert exchanges(KINDS) == exchanges(json.loads(json.dumps(KINDS)))


def test_requests_are_bounded_however_many_or_large_samples_are():
    large = {f"column {number}": list(range(100)) for number in range(1000)}
    sent = exchanges([large] * 3 + list(range(1000)))
    assert sum(one.about.startswith("sample ") for one in sent) == SAMPLES
    assert sum(one.about == "a variation" for one in sent) == VARIATIONS
    assert len(sent) < SAMPLES + VARIATIONS + 30


def test_without_samples_there_is_nothing_to_compare():
    assert exchanges([]) == ()


def test_what_tells_of_the_process_and_of_the_image_is_not_compared():
    assert [one.about for one in exchanges([1]) if not one.compared] == ["GET /info", "GET /metrics"]


def test_every_field_of_an_object_is_left_out_once():
    sample = {"a": 1, "b": 2, "c": 3}
    sent = [json.loads(body(one)) for one in exchanges([sample]) if one.about == "a variation"]
    for name in sample:
        assert {key: value for key, value in sample.items() if key != name} in sent
