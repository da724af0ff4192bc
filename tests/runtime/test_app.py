import gzip
import json
import logging
import zlib

import pytest
from falcon.testing import TestClient
from nbslim.runtime.app import create_app
from nbslim.runtime.figures import Figures
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings

SQUARE = """
    def validator(x):
        return x != 13

    def predictor(x):
        return {"square": x * x}
"""


@pytest.fixture(name="client")
def _client(entry_points):
    def make(source, **environ):
        service = Service(read_settings(environ), Figures(1))
        service.serve(entry_points(source))
        service.try_one()
        return TestClient(create_app(service))

    return make


def assert_problem(result, status, kind):
    assert result.status_code == status
    assert result.headers["Content-Type"] == "application/problem+json"
    assert list(result.json) == ["type", "title", "status", "detail"]
    assert (result.json["type"], result.json["status"]) == (kind, status)
    assert result.json["title"]
    assert result.json["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
        "no/such",
        "?",
        "",
    ],
)
def test_content_type_does_not_matter(content_type, client):
    result = client(SQUARE).simulate_post("/predict", body="3", headers={"Content-Type": content_type})
    assert (result.status_code, result.text) == (200, '{"square":9}')
    assert result.headers["Content-Type"] == "application/json"


def test_form_body_is_not_taken_apart(client):
    result = client("predictor = lambda x: x").simulate_post(
        "/predict?a=b", body='"a=1&b=%20+"', headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert result.json == "a=1&b=%20+"


@pytest.mark.parametrize("body", ['"ä"', "null", "0", "[]"])
def test_any_json_value_can_be_sample_and_answer(body, client):
    result = client("predictor = lambda x: x").simulate_post("/predict", body=body)
    assert (result.status_code, result.text) == (200, body)


@pytest.mark.parametrize("body", [b"", b"{bad", b"\xff"])
def test_body_that_is_not_json_is_a_bad_request(body, client):
    assert_problem(client(SQUARE).simulate_post("/predict", body=body), 400, "urn:nbslim:not-json")


def test_refused_sample_is_a_bad_request(client):
    assert_problem(client(SQUARE).simulate_post("/predict", body="13"), 400, "urn:nbslim:refused")


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("validator = lambda x: 1 / 0\npredictor = str", "urn:nbslim:validator-failed"),
        ("predictor = lambda x: open('/secret/file')", "urn:nbslim:predictor-failed"),
        ("predictor = lambda x: exit()", "urn:nbslim:predictor-failed"),
        ("predictor = lambda x: 9 ** 9999", "urn:nbslim:encoder-failed"),
        ("predictor = lambda x: object()", "urn:nbslim:not-encodable"),
    ],
)
def test_failure_is_a_server_error_whose_traceback_is_in_the_log_alone(source, kind, client, caplog):
    result = client(source).simulate_post("/predict", body="1")
    assert_problem(result, 500, kind)
    assert "Traceback" not in result.text
    assert "secret" not in result.text
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info[2] is not None


def test_answer_that_cannot_be_encoded_is_named(client):
    result = client("predictor = lambda x: {1: [object()]}").simulate_post("/predict", body="1")
    assert "type object" in result.json["detail"]


@pytest.mark.parametrize(("path", "status"), [("/healthz", "ok"), ("/readyz", "ready")])
def test_probes_answer(path, status, client):
    assert client(SQUARE).simulate_get(path).json == {"status": status}


def test_service_that_has_no_model_yet_lives_and_is_not_ready():
    loading = TestClient(create_app(Service(read_settings({}), Figures(1))))
    assert loading.simulate_get("/healthz").status_code == 200
    for result in (
        loading.simulate_get("/readyz"),
        loading.simulate_post("/predict", body="3"),
        loading.simulate_post("/predict/batch", body="[3]"),
    ):
        assert_problem(result, 503, "urn:nbslim:not-ready")
        assert result.headers["Retry-After"] == "1"


def test_batch_is_answered_in_order(client):
    result = client(SQUARE).simulate_post("/predict/batch", body="[3, -1, 3]")
    assert (result.status_code, result.text) == (200, '[{"square":9},{"square":1},{"square":9}]')


def test_empty_batch_has_no_answers(client):
    assert client(SQUARE).simulate_post("/predict/batch", body="[]").json == []


def test_batch_that_is_no_array_is_a_bad_request(client):
    assert_problem(client(SQUARE).simulate_post("/predict/batch", body="3"), 400, "urn:nbslim:not-a-batch")


@pytest.mark.parametrize(
    ("body", "status", "kind", "rows"),
    [
        ("[1, 13, 2, 13]", 400, "batch-refused", [(1, "refused"), (3, "refused")]),
        ('[13, "a"]', 500, "batch-failed", [(0, "refused"), (1, "predictor-failed")]),
    ],
)
def test_batch_with_rows_without_an_answer_is_a_problem_that_names_them(body, status, kind, rows, client):
    result = client(SQUARE).simulate_post("/predict/batch", body=body)
    assert (result.status_code, result.json["type"]) == (status, f"urn:nbslim:{kind}")
    assert [(row["row"], row["type"]) for row in result.json["rows"]] == [
        (row, f"urn:nbslim:{kind}") for row, kind in rows
    ]


@pytest.mark.parametrize("content_type", ["application/x-ndjson", "Application/JSONL; charset=utf-8"])
def test_each_json_line_has_an_answer_or_a_problem_of_its_own(content_type, client):
    body = b'3\n\n13\n{\n"a"\n2'
    result = client(SQUARE).simulate_post("/predict/batch", body=body, headers={"Content-Type": content_type})
    assert (result.status_code, result.headers["Content-Type"]) == (200, "application/x-ndjson")
    lines = [json.loads(line) for line in result.text.splitlines()]
    kinds = [
        line["error"]["type"].rpartition(":")[2] if "error" in line else line["answer"] for line in lines
    ]
    assert kinds == [{"square": 9}, "refused", "not-json", "predictor-failed", {"square": 4}]


def test_compressed_bodies_are_inflated(client):
    for encoding, body in (
        ("gzip", gzip.compress(b"3")),
        ("deflate", zlib.compress(b"3")),
        ("identity", b"3"),
    ):
        result = client(SQUARE).simulate_post("/predict", body=body, headers={"Content-Encoding": encoding})
        assert result.json == {"square": 9}


def test_unknown_encoding_is_named_with_the_known_ones(client):
    result = client(SQUARE).simulate_post("/predict", body="3", headers={"Content-Encoding": "br"})
    assert_problem(result, 415, "urn:nbslim:unsupported-encoding")
    assert result.headers["Accept-Encoding"] == "gzip, deflate"


def test_body_that_is_too_large_when_inflated_is_refused(client):
    body = gzip.compress(b" " * 2000 + b"3")
    result = client(SQUARE, NBSLIM_MAX_BODY="1KiB").simulate_post(
        "/predict", body=body, headers={"Content-Encoding": "gzip"}
    )
    assert_problem(result, 413, "urn:nbslim:too-large")


def test_numbers_that_are_not_finite_are_taken_where_that_is_set(client):
    source = "predictor = lambda x: x != x"
    assert client(source).simulate_post("/predict", body="NaN").status_code == 400
    assert client(source, NBSLIM_NAN="accept").simulate_post("/predict", body="NaN").json is True


def test_unknown_path_is_a_problem(client):
    assert_problem(client(SQUARE).simulate_get("/nowhere"), 404, "about:blank")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST, OPTIONS"),
        ("PUT", "/predict", "POST, OPTIONS"),
        ("GET", "/predict/batch", "POST, OPTIONS"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/metrics", "GET, HEAD, OPTIONS"),
    ],
)
def test_wrong_method_is_a_problem_that_says_what_is_allowed(method, path, allowed, client):
    result = client(SQUARE).simulate_request(method, path, body="1")
    assert_problem(result, 405, "about:blank")
    assert result.headers["Allow"] == allowed
