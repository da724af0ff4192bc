import decimal
import json
import threading

import pytest
from nbslim.runtime.encode import EncodeError, encode
from nbslim.runtime.scoring import BatchError, Outcome, as_served, score, score_all

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


DOUBLE = """
    def validator(x):
        return x >= 0

    def predictor(x):
        return 2 * x

    calls = []

    def predictor_batch(xs):
        calls.append(list(xs))
        return [2 * x for x in xs]
"""


def told(entry_points, samples):
    """Tell the outcomes as records do, with why the batched form was not used."""
    reasons = []
    outcomes = score_all(entry_points, samples, reasons.append)
    return [outcome.result() for outcome in outcomes], [type(reason) for reason in reasons]


def test_batch_is_scored_in_one_call_with_what_the_validator_lets_through(entry_points):
    points = entry_points(DOUBLE)
    results, reasons = told(points, [1, -1, 2, "x", 3])
    assert results == [
        {"answer": 2},
        {"refused": True},
        {"answer": 4},
        {"raises": "TypeError"},
        {"answer": 6},
    ]
    assert (points.predictor_batch.__globals__["calls"], reasons) == ([[1, 2, 3]], [])


def test_without_a_batched_form_each_row_is_scored_alone(entry_points):
    results, _ = told(entry_points("predictor = lambda x: 1 / x"), [2, 0, 4])
    assert results == [{"answer": 0.5}, {"raises": "ZeroDivisionError"}, {"answer": 0.25}]


@pytest.mark.parametrize("samples", [[], [5]], ids=["no sample", "one sample"])
def test_less_than_two_samples_need_no_batched_form(samples, entry_points):
    points = entry_points(DOUBLE)
    assert told(points, samples) == ([{"answer": 2 * x} for x in samples], [])
    assert points.predictor_batch.__globals__["calls"] == []


def test_batched_form_is_not_called_where_nothing_passes_the_validator(entry_points):
    points = entry_points(DOUBLE)
    assert told(points, [-1, -2]) == ([{"refused": True}, {"refused": True}], [])
    assert points.predictor_batch.__globals__["calls"] == []


LOOPED = {
    "it raises": ("raise ValueError", ValueError),
    "it exits": ("raise SystemExit(3)", SystemExit),
    "it gives fewer answers": ("return xs[1:]", BatchError),
    "it gives more answers": ("return [*xs, 0]", BatchError),
    "it gives no sequence": ("return None", TypeError),
    "it changes the rows and raises": ("[x.clear() for x in xs]; raise KeyError", KeyError),
}


@pytest.mark.parametrize("name", LOOPED)
def test_rows_are_scored_one_by_one_where_the_batched_form_fails(name, entry_points):
    body, reason = LOOPED[name]
    source = f"def predictor(x): return 1 / x[0]\ndef predictor_batch(xs): {body}"
    results, reasons = told(entry_points(source), [[2], [0], [4]])
    assert results == [{"answer": 0.5}, {"raises": "ZeroDivisionError"}, {"answer": 0.25}]
    assert reasons == [reason]


def test_what_the_validator_does_to_a_row_reaches_the_predictor_once(entry_points):
    source = """
        def validator(x):
            x.append(1)
            return True

        predictor = len

        def predictor_batch(xs):
            if len(xs) == 3:
                raise ValueError
            return [len(x) for x in xs]
    """
    assert told(entry_points(source), [[], [0]])[0] == [{"answer": 1}, {"answer": 2}]
    assert told(entry_points(source), [[], [0], []])[0] == [{"answer": 1}, {"answer": 2}, {"answer": 1}]


def test_answer_that_cannot_be_encoded_is_the_error_of_its_row_alone(entry_points):
    source = (
        "def predictor(x): return x if x else object()\ndef predictor_batch(xs): return map(predictor, xs)"
    )
    outcomes = score_all(entry_points(source), [1, 0, 2])
    assert [(outcome.answer, outcome.step) for outcome in outcomes] == [
        ("1", None),
        (None, "encoder"),
        ("2", None),
    ]


def test_interruption_of_a_batch_is_not_an_outcome(entry_points):
    source = "predictor = len\ndef predictor_batch(xs): raise KeyboardInterrupt"
    with pytest.raises(KeyboardInterrupt):
        score_all(entry_points(source), [[], []])


CONTEXT = """
    import decimal

    def predictor(x):
        before = decimal.getcontext().prec
        decimal.setcontext(decimal.Context(prec=x))
        return before

    def predictor_batch(xs):
        decimal.setcontext(decimal.Context(prec=3))
        return [7 for x in xs]
"""


@pytest.mark.parametrize("batch", [None, "one answer too few", "whole"])
def test_in_any_thread_a_row_sees_what_was_set_before_and_nothing_of_its_neighbours(batch, entry_points):
    source = CONTEXT.replace("[7 for x in xs]", "[]") if batch == "one answer too few" else CONTEXT
    source = source if batch else source.partition("    def predictor_batch")[0]
    results = []
    with decimal.localcontext() as context:
        context.prec = 7
        served = as_served(entry_points(source))

    def serve():
        results.extend(served.score_all([5, 6]))
        results.append(served(4))

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert [outcome.answer for outcome in results] == ["7", "7", "7"]
