import json
import zlib

import pytest
from falcon.testing import TestClient
from jsonschema import Draft202012Validator
from nbslim.runtime.app import create_app
from nbslim.runtime.bundle import load_bundle
from nbslim.runtime.figures import Figures
from nbslim.runtime.openapi import EXAMPLES, openapi
from nbslim.runtime.service import Service
from nbslim.runtime.settings import read_settings
from openapi_spec_validator import OpenAPIV31SpecValidator

HALF = """
    def validator(x):
        return len(x) < 4

    def predictor(x):
        return {"half": x[0] / 2, "all": x}
"""
HALVES = (
    {"input": [1.5, 2], "answer": {"half": 0.75, "all": [1.5, 2]}},
    {"input": [3, 2], "answer": {"half": 1.5, "all": [3, 2]}},
    {"input": [1, 2, 3, 4], "refused": True},
    {"input": ["a"], "raises": "TypeError"},
)


@pytest.fixture(name="loaded")
def _loaded(bundle):
    return lambda source=HALF, samples=HALVES: load_bundle(bundle(source, samples))


@pytest.fixture(name="client")
def _client(loaded):
    def make(*bundle, **environ):
        service = Service(read_settings(environ), Figures(1))
        service.serve(loaded(*bundle))
        assert service.try_one() is None
        return TestClient(create_app(service))

    return make


def fits(document, name, value):
    whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return Draft202012Validator(whole).is_valid(value)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def response(document, operation, status):
    found = operation["responses"][str(status)]
    return document["components"]["responses"][found["$ref"].split("/")[-1]] if "$ref" in found else found


@pytest.mark.parametrize("enforced", [False, True])
@pytest.mark.parametrize(
    "samples",
    [(), HALVES, HALVES[2:], ({"input": {str(name): name for name in range(5_000)}, "answer": None},)],
    ids=["no samples", "samples", "none answered", "wide"],
)
def test_document_is_valid(samples, enforced, loaded):
    document = openapi(loaded(samples=samples), enforced=enforced)
    OpenAPIV31SpecValidator(document).validate()
    assert len(json.dumps(document)) < 250_000


def test_document_is_served_and_has_the_name(client):
    document = client().simulate_get("/openapi.json").json
    assert document["info"]["title"] == "toy"
    assert document["components"]["schemas"]["LikeSamples"] == {
        "type": "array",
        "items": {"type": "number"},
        "minItems": 2,
        "maxItems": 2,
    }


def test_every_operation_has_a_name_and_words_of_its_own(loaded):
    told = [(one["operationId"], one["summary"]) for *_, one in operations(openapi(loaded()))]
    assert len({name for name, _ in told}) == len({words for _, words in told}) == len(told) == 8


def test_what_can_be_got_is_what_the_document_says(client):
    served = client()
    document = served.simulate_get("/openapi.json").json
    for method, path, operation in operations(document):
        if method == "GET":
            result = served.simulate_get(path)
            [media] = response(document, operation, result.status_code)["content"]
            assert result.headers["Content-Type"].partition(";")[0] == media
            if media == "application/json":
                [told] = response(document, operation, result.status_code)["content"].values()
                whole = {**told["schema"], "components": document["components"]}
                assert Draft202012Validator(whole).is_valid(result.json)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/predict", b"[1.5, 2]", {}, 200),
        ("/predict", b"[1]", {}, 200),
        ("/predict", b"[1, 2, 3, 4]", {}, 400),
        ("/predict", b"{", {}, 400),
        ("/predict", b"[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]", {}, 400),
        ("/predict", b'["a"]', {}, 500),
        ("/predict", b"[1]", {"Content-Encoding": "br"}, 415),
        ("/predict", zlib.compress(b" " * 999 + b"[1]"), {"Content-Encoding": "deflate"}, 413),
        ("/predict/batch", b"[[1], [2, 3]]", {}, 200),
        ("/predict/batch", b"[]", {}, 200),
        ("/predict/batch", b"[[1], [1, 2, 3, 4]]", {}, 400),
        ("/predict/batch", b"1", {}, 400),
        ("/predict/batch", b'[[1], ["a"], [1, 2, 3, 4]]', {}, 500),
        ("/predict/batch", b'[1]\n["a"]\n{', {"Content-Type": "application/x-ndjson"}, 200),
    ],
)
def test_what_is_posted_gets_what_the_document_says(path, body, headers, status, client):
    served = client(NBSLIM_MAX_BODY="500")
    document = served.simulate_get("/openapi.json").json
    result = served.simulate_post(path, body=body, headers=headers)
    assert result.status_code == status
    told = response(document, document["paths"][path]["post"], status)["content"]
    media = result.headers["Content-Type"]
    assert media in told
    if media != "application/x-ndjson":
        whole = {**told[media]["schema"], "components": document["components"]}
        assert Draft202012Validator(whole).is_valid(result.json)


def test_bad_rows_of_a_batch_are_listed_as_the_document_says(client):
    served = client()
    problem = served.simulate_post("/predict/batch", body=b'[[1], ["a"], [1, 2, 3, 4]]').json
    document = served.simulate_get("/openapi.json").json
    assert [row["row"] for row in problem["rows"]] == [1, 2]
    assert fits(document, "BatchProblem", problem)
    assert not fits(document, "BatchProblem", {**problem, "rows": [{"row": -1}]})


@pytest.mark.parametrize("sample", [[1], "text", None, {"a": 1}])
def test_samples_unlike_the_notebooks_are_possible_unless_they_are_refused(sample, loaded):
    bundle = loaded()
    assert fits(openapi(bundle), "Sample", sample)
    assert not fits(openapi(bundle, enforced=True), "Sample", sample)
    assert "nothing enforces it" in openapi(bundle)["components"]["schemas"]["Sample"]["description"]


@pytest.mark.parametrize("body", ["[1]", '"ab"', "null", "[1, true]", "[1, 2]", "[1, 2.5]"])
def test_what_is_enforced_is_what_the_document_says(body, client):
    served = client(NBSLIM_INPUT="like-samples")
    document = served.simulate_get("/openapi.json").json
    result = served.simulate_post("/predict", body=body)
    assert (result.status_code == 200) == fits(document, "Sample", json.loads(body))
    assert result.status_code == 200 or result.json["type"] == "urn:nbslim:unlike-samples"


@pytest.mark.parametrize(
    "answer", [{"half": None, "all": []}, {}, {"half": 1, "all": [1, 2, 3], "more": "a"}]
)
def test_answers_may_have_other_lengths_and_fields_and_numbers_that_are_not_finite(answer, loaded):
    assert fits(openapi(loaded()), "Answer", answer)


@pytest.mark.parametrize("answer", ["a", {"half": "a"}, {"all": ["a"]}])
def test_answers_have_the_types_that_the_samples_show(answer, loaded):
    assert not fits(openapi(loaded()), "Answer", answer)


def test_examples_are_samples_with_an_answer(loaded):
    document = openapi(loaded())
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert [one["value"] for one in content["examples"].values()] == [[1.5, 2], [3, 2]]
    answers = document["paths"]["/predict"]["post"]["responses"]["200"]["content"]["application/json"]
    assert [one["value"] for one in answers["examples"].values()] == [
        HALVES[0]["answer"],
        HALVES[1]["answer"],
    ]
    assert content["examples"].keys() == answers["examples"].keys()


def test_examples_are_few_and_small(loaded):
    sizes = [5_000, 1, 2, 100_000, 3, 4, 5_000, 5]
    samples = tuple({"input": [0.5] * size, "answer": size} for size in sizes)
    content = openapi(loaded(samples=samples))["paths"]["/predict"]["post"]["responses"]["200"]["content"]
    shown = [one["value"] for one in content["application/json"]["examples"].values()]
    assert shown == [1, 2, 3, 4, 5]
    assert len(shown) == EXAMPLES


def test_references_have_nothing_beside_them_that_generators_of_clients_would_lose(loaded):
    def parts(value):
        yield value
        for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from parts(part)

    referring = [
        part for part in parts(openapi(loaded(), enforced=True)) if isinstance(part, dict) and "$ref" in part
    ]
    assert len(referring) > 50
    assert [part for part in referring if not part.keys() <= {"$ref", "description"}] == []
