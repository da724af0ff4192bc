import json

import pytest
from nbslim.runtime.encode import EncodeError, encode
from nbslim.runtime.scoring import Outcome, score

SQUARE = """
    def validator(x):
        return x >= 0

    def predictor(x):
        return {"square": x * x}
"""


def test_answer_is_json_text(entry_points):
    assert score(entry_points(SQUARE), 3) == Outcome(answer='{"square":9}')


def test_without_validator_nothing_is_checked(entry_points):
    assert score(entry_points("predictor = lambda x: x"), -1) == Outcome(answer="-1")


def test_refused_sample_never_reaches_the_predictor(entry_points):
    outcome = score(entry_points("validator = lambda x: 0\ndef predictor(x): raise AssertionError"), 1)
    assert outcome == Outcome(refused=True)


@pytest.mark.parametrize(
    ("source", "step", "error"),
    [
        ("validator = lambda x: 1 / 0\npredictor = lambda x: x", "validator", ZeroDivisionError),
        ("predictor = lambda x: 1 / 0", "predictor", ZeroDivisionError),
        ("predictor = lambda x: exit(3)", "predictor", SystemExit),
        ("predictor = lambda x: object()", "encoder", EncodeError),
    ],
)
def test_what_raises_is_an_outcome(source, step, error, entry_points):
    outcome = score(entry_points(source), 1)
    assert (outcome.step, type(outcome.error)) == (step, error)


def test_interruption_is_not_an_outcome(entry_points):
    with pytest.raises(KeyboardInterrupt):
        score(entry_points("def predictor(x): raise KeyboardInterrupt"), 1)


@pytest.mark.parametrize(
    ("outcome", "record"),
    [
        (Outcome(answer="[1.0,null]"), {"input": [1, 2], "answer": [1.0, None]}),
        (Outcome(answer="null"), {"input": [1, 2], "answer": None}),
        (Outcome(refused=True), {"input": [1, 2], "refused": True}),
        (Outcome(error=ValueError("x"), step="predictor"), {"input": [1, 2], "raises": "ValueError"}),
    ],
    ids=["answer", "null", "refused", "raised"],
)
def test_outcome_becomes_a_record_that_it_agrees_with(outcome, record):
    line = encode(outcome.record((1, 2)))
    assert json.loads(line) == record
    assert outcome.agrees_with(json.loads(line))


@pytest.mark.parametrize(
    "record",
    [{"answer": 1.0}, {"answer": True}, {"answer": "1"}, {"refused": True}, {"raises": "ValueError"}],
)
def test_another_answer_does_not_agree(record):
    assert not Outcome(answer="1").agrees_with({"input": 0, **record})
