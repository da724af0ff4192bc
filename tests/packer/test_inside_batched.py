"""Of a predictor follows a batched form that gives the same answers, or a reason why not."""

import copy
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judge import decide, run_cells
from nbslim.packer.environments import make_environment
from nbslim.packer.inside_batched import batched_form
from nbslim.packer.own import place_own_inside, place_own_runtime
from nbslim.packer.pythons import find_python
from nbslim.runtime.scoring import EntryPoints, score, score_all
from predictors import DERIVED, LOOPED
from support import CACHE

PINS = ["numpy==2.2.6", "pandas==2.3.3", "matplotlib==3.10.9", "scikit-learn==1.7.2"]
SHARED = Path(__file__).parents[1] / "shared"


@pytest.fixture(scope="module", params=["3.11"])
def told(request, tmp_path_factory):
    """The forms of all predictors in the table, and the reasons, told by an environment that has numpy."""
    environment = make_environment(find_python(request.param), PINS, cache=CACHE)
    folder = tmp_path_factory.mktemp("inside")
    place_own_runtime(folder)
    place_own_inside(folder)
    variables = {**os.environ, "PYTHONPATH": f"{folder}:{SHARED}", "PYTHONWARNINGS": "ignore"}
    command = [environment.executable, SHARED / "judge.py", folder / "told.json"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "told.json").read_text())


@pytest.mark.parametrize("name", DERIVED)
def test_batched_form_follows_and_gives_the_same_answers(name, told):
    assert told[name] == ["derived", None]


@pytest.mark.parametrize("name", LOOPED)
def test_rows_are_scored_one_by_one_for_a_reason(name, told):
    form, reason = told[name]
    assert form == "looped"
    assert LOOPED[name][1] in reason


MODELS = """
import decimal

asked = []

class Model:
    def __init__(self, weight):
        self.weight = weight

    def predict(self, rows):
        asked.append(len(rows))
        return [self.weight * sum(row) + len(row) for row in rows]

models = [Model(1), Model(0.5), Model(3)]
model = models[0]
"""
STATEMENTS = [
    "y = model.predict([x])[0]",
    "rows = [x]\n    z = models[1].predict(rows)[0]",
    "x = [*x, 1]",
    "x.append(2)",
    "y = 1 / x[0]",
    "if y > 2:\n        return model.predict([[y]])[0]",
    "if not x:\n        return 'none'",
    "for one in models:\n        y += one.predict([x])[0]",
    "for one in models:\n        if y > 3:\n            y -= one.predict([[y, 1]])[0]",
    "while y > 4:\n        y = y - 1 - abs(models[1].predict([[1]])[0])",
    "try:\n        z = models[2].predict([x])[0]\n    except TypeError:\n        z = -1",
    "z = [y, *model.predict([x])]",
    "[y] = models[2].predict([x])",
    "y = len(x) and model.predict([x + [1]])[0]",
    "decimal.getcontext().prec = 5",
    "x, y = x[::-1], model.predict([x])[0]",
]
ROWS = st.lists(
    st.one_of(
        st.lists(st.one_of(st.integers(-3, 3), st.sampled_from([0.5, -1.25])), max_size=3),
        st.sampled_from([None, "text", [None], [[1]], {"a": 1}]),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=5), ROWS, st.booleans())
def test_batch_is_the_loop_whatever_the_steps_are(statements, rows, checked):
    body = "".join(f"    {one}\n" for one in statements)
    source = f"def predictor(x):\n    y = z = 0\n{body}    return [x, y, z, model.predict([x])[0]]\n"
    namespace = run_cells(MODELS, source)
    validator = (lambda x: x is not None and len(x) != 1) if checked else None
    points = EntryPoints(namespace["predictor"], validator)
    form = batched_form({"predictor": namespace["predictor"]}, namespace)
    if form.form == "looped":
        assert "decimal" in form.reason
        return
    together = score_all(replace(points, predictor_batch=form.function), copy.deepcopy(rows))
    alone = [score(points, row) for row in copy.deepcopy(rows)]
    assert [one.result() for one in together] == [one.result() for one in alone]


def test_rows_are_asked_about_together_where_their_types_are_alike():
    namespace = run_cells(MODELS, "def predictor(x):\n    return model.predict([x])[0]")
    form = batched_form(namespace, namespace)
    assert form.function([[0.5], [1.5], [1], [2, 2.5], [1.5, 2]]) == [1.5, 2.5, 2, 6.5, 5.5]
    assert namespace["asked"] == [2, 1, 2]


def test_neighbours_do_not_change_the_type_of_a_row():
    namespace = run_cells(
        MODELS,
        "def predictor(x):\n    return first([x])[0]\ndef first(rows): return [type(r[0]) for r in rows]",
    )
    form = batched_form(namespace, namespace)
    assert form.function([[1], [0.5], [True], ["a"], [None]]) == [int, float, bool, str, type(None)]


@pytest.mark.parametrize("table", ["[x]", "pd.DataFrame([x])"], ids=["an array", "a frame"])
def test_integer_that_no_array_of_integers_holds_is_asked_about_alone(table):
    source = f"def predictor(x):\n    return long({table})[0]"
    setup = """
class pd:
    DataFrame = list

def long(rows):
    return [max(abs(row[0]) for row in rows) >= 2**63 for _ in rows]
"""
    namespace = run_cells(setup, source)
    form = batched_form(namespace, namespace)
    rows = [[1], [2**63], [2], [-(2**64)], [0.5, 1], [2**70, 0.5]]
    assert form.function(rows) == [False, True, False, True, False, True]


def test_state_that_a_row_sets_is_its_own():
    source = """
import decimal

def predictor(x):
    if x[0] > 1:
        with decimal.localcontext() as context:
            context.prec = 3
    context = decimal.Context(prec=x[0] + 1)
    decimal_set = decimal.setcontext(context)
    y = model.predict([x])[0]
    return str(decimal.Decimal(1) / 3)
"""
    namespace = run_cells(MODELS, source)
    form = batched_form(namespace, namespace)
    assert form.function([[1], [2], [3]]) == ["0.33", "0.333", "0.3333"]


def test_traceback_names_cell_and_line_and_function():
    source = "\n\ndef predictor(x):\n    return nothing([x])[0]\ndef nothing(rows): return 1 / 0"
    namespace = run_cells(MODELS, source)
    form = batched_form(namespace, namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        form.function([[1], [2]])
    frames = [(frame.path, frame.lineno + 1) for frame in caught.traceback]
    assert [(str(path), line) for path, line in frames[-2:]] == [("<cell 2>", 4), ("<cell 2>", 5)]


FLOATS = """
asked = []

def fractions(rows):
    asked.append(len(rows))
    return [0.5 * sum(row) for row in rows]

def wholes(rows):
    return [2 * sum(row) for row in rows]
"""


def test_whole_numbers_are_beside_fractions_where_the_answers_are_the_same():
    namespace = run_cells(FLOATS, "def predictor(x):\n    return fractions([x])[0]")
    found, _ = decide(namespace, [[0.5, 1], [1, 2], [3, 0.25]])
    namespace["asked"].clear()
    rows = [[1, 2], [0.5, 1], [4, 4], [1.5, 2.5], [2**53 + 1, 0], [1]]
    assert found.function(rows) == [1.5, 0.75, 4.0, 2.0, 2.0**52, 0.5]
    assert sorted(namespace["asked"]) == [1, 1, 4]


def test_whole_numbers_are_not_beside_fractions_where_their_answers_are_whole():
    namespace = run_cells(FLOATS, "def predictor(x):\n    return wholes([x])[0]")
    found, _ = decide(namespace, [[0.5, 1], [1, 2], [3, 0.25]])
    assert (found.form, found.function.mixed) == ("derived", False)


@pytest.mark.parametrize(
    ("body", "direct"),
    [
        ("return model.predict([x])[0]", True),
        ("'''Scores.'''\n    row = [x]\n    return model.predict(row)[0]", True),
        ("y = model.predict([x])[0]\n    return y", False),
        ("return -model.predict([x])[0]", False),
        ("if not x:\n        return 0\n    return model.predict([x])[0]", False),
        ("y = model.predict([x])[0]\n    return model.predict([[y]])[0]", False),
    ],
)
def test_steps_that_only_ask_are_no_generator(body, direct):
    namespace = run_cells(MODELS, f"def predictor(x):\n    {body}")
    function = batched_form(namespace, namespace).function
    assert function.direct is direct
    assert function([[1], [2], [4]]) == [namespace["predictor"](row) for row in ([1], [2], [4])]


DEFINED = """
def predictor(x):
    return model.predict([x])[0]

def predictor_batch(xs):
    return {answers}
"""


@pytest.mark.parametrize(
    ("answers", "form", "reason"),
    [
        ("model.predict(xs)", "defined", None),
        ("tuple(map(predictor, xs))", "defined", None),
        ("[1.0 * one for one in model.predict(xs)]", "looped", "[1] gets 2.0 in a batch, and 2 alone"),
        ("sorted(model.predict(xs))", "looped", "[3] gets 2 in a batch, and 4 alone"),
        ("model.predict(xs[:2])", "looped", "a batch of samples raises BatchError: 2 answers to 3 samples"),
        ("1 / 0", "looped", "a batch of samples raises ZeroDivisionError: division by zero"),
        ("exit(1)", "looped", "a batch of samples raises SystemExit: 1"),
    ],
)
def test_own_form_is_used_where_it_agrees(answers, form, reason):
    found, _ = decide(
        run_cells(MODELS, DEFINED.format(answers=answers)),
        [[3], [1], [2]] if "sorted" in answers else [[1], [2], [3]],
    )
    assert (found.form, found.reason) == (form, reason)


def test_own_form_needs_no_samples():
    found, _ = decide(run_cells(MODELS, DEFINED.format(answers="model.predict(xs)")), [])
    assert (found.form, found.reason) == ("defined", None)


@pytest.mark.parametrize("samples", [[], [[1]], [[1], None]], ids=["none", "one", "one that has an answer"])
def test_without_two_answers_nothing_is_proved(samples):
    namespace = run_cells(MODELS, "def predictor(x):\n    return model.predict([x])[0]")
    found, _ = decide(namespace, samples)
    assert (found.form, found.reason) == ("looped", "fewer than two samples have an answer to prove it with")


def test_samples_that_are_refused_or_raise_prove_nothing_and_do_not_matter():
    source = "def validator(x): return len(x) < 3\ndef predictor(x): return model.predict([x])[0] / x[0]"
    found, _ = decide(run_cells(MODELS, source), [[1], [0], [1, 2, 3], None, [2], [0.5, 1]])
    assert found.form == "derived"
