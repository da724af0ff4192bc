"""What a replaying process wrote is compared with the notebook's answers and the full environment's responses."""

import pytest
from nbslim.packer.exchanges import Exchange
from nbslim.packer.replay import Expected, Response, Run, judged

REPORT = {"samples": 2, "equal": 2, "differences": []}
ONE, TWO = (
    Response(200, "application/json", b"1", None),
    Response(422, "application/json", b'{"no": 2}', None),
)
EXPECTED = Expected((Exchange("sample 1", b""), Exchange("a variation", b"")), (ONE, TWO))


def judge(*responses, report=REPORT, problem=None, expected=EXPECTED):
    return judged(Run(report, (tuple(responses),), {}, problem), "chroot", expected)


def test_same_answers_and_responses_hold():
    result = judge(ONE, TWO)
    assert result.holds
    assert (result.samples, result.equal, result.requests) == (2, 2, 2)


@pytest.mark.parametrize(
    "other",
    [TWO._replace(status=400), TWO._replace(body=b'{"no":2}'), TWO._replace(type="text/plain")],
    ids=["status", "body", "type"],
)
def test_other_status_body_or_type_is_a_difference_that_shows_both(other):
    result = judge(ONE, other)
    assert not result.holds
    assert result.problem == f"a variation: the full environment responds {TWO}, this one {other}"
    assert result.requests == 0


def test_response_that_is_not_compared_may_differ_but_must_come():
    expected = Expected((EXPECTED.exchanges[0], Exchange("GET /metrics", b"", compared=False)), (ONE, TWO))
    assert judge(ONE, ONE, expected=expected).holds
    assert judge(ONE, expected=expected).problem == "GET /metrics: no response came in time"


def test_response_that_does_not_come_is_a_difference():
    assert judge(ONE).problem == "a variation: no response came in time"


def test_request_that_ends_the_process_says_so():
    result = judge(ONE, problem="the runtime ended with -11: ")
    assert result.problem == "the runtime ended with -11: "


def test_other_answer_to_a_sample_comes_before_all_else():
    difference = {"index": 1, "expected": "[1]", "got": "[2]", "error": {"module": "pandas"}}
    result = judge(report={"samples": 2, "equal": 1, "differences": [difference]}, problem="late")
    assert result.problem == "sample 2: expected [1], got [2]"
    assert (result.equal, result.missing_module) == (1, "pandas")


def test_bundle_that_does_not_load_names_the_module():
    error = {"type": "RemovedModuleError", "message": "no six", "module": "six"}
    result = judge(report={"error": error})
    assert (result.problem, result.missing_module) == ("RemovedModuleError: no six", "six")


def test_process_without_a_report_holds_nothing():
    result = judged(Run(None, (), problem="the runtime ended without a report"), "chroot", EXPECTED)
    assert (result.samples, result.problem) == (0, "the runtime ended without a report")
