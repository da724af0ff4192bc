import logging

import pytest
from falcon.testing import TestClient
from nbslim.runtime.app import create_app

SQUARE = """
    def validator(x):
        return x != 13

    def predictor(x):
        return {"square": x * x}
"""


@pytest.fixture(name="client")
def _client(entry_points):
    return lambda source: TestClient(create_app(entry_points(source)))


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


@pytest.mark.parametrize("body", [b"", b"{bad", b"\xff", b"NaN"])
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


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_answer(path, client):
    assert client(SQUARE).simulate_get(path).json == {"status": "ok"}


def test_metrics_are_prometheus_text(client):
    result = client(SQUARE).simulate_get("/metrics")
    assert result.status_code == 200
    assert result.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert result.text == (
        "# HELP nbslim_removed_imports_total Imports of modules that nbslim removed from the image.\n"
        "# TYPE nbslim_removed_imports_total counter\n"
    )


def test_unknown_path_is_a_problem(client):
    assert_problem(client(SQUARE).simulate_get("/nowhere"), 404, "about:blank")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/predict", "POST, OPTIONS"),
        ("PUT", "/predict", "POST, OPTIONS"),
        ("POST", "/healthz", "GET, OPTIONS"),
        ("POST", "/metrics", "GET, OPTIONS"),
    ],
)
def test_wrong_method_is_a_problem_that_says_what_is_allowed(method, path, allowed, client):
    result = client(SQUARE).simulate_request(method, path, body="1")
    assert_problem(result, 405, "about:blank")
    assert result.headers["Allow"] == allowed
