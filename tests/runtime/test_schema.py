import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbslim.runtime.schema import LARGEST, infer, mismatch

SCALARS = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text("ab", max_size=2)
)
NAMES = st.sampled_from(["room", "size", "kind", "x"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4)
)
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
TEXT = {"type": "string"}


def two(items):
    return {"type": "array", **items, "minItems": 2, "maxItems": 2}


@pytest.mark.parametrize(
    ("values", "schema"),
    [
        ([], {}),
        ([1, 2], WHOLE),
        ([1, 0.5], NUMBER),
        ([True, 1], {"type": ["boolean", "integer"]}),
        (["a", None], {"type": ["string", "null"]}),
        ([[0.1, 2], [3, 4]], two({"items": NUMBER})),
        ([[1, 2], [1]], {"type": "array", "items": WHOLE}),
        ([[1, None]], two({"items": {"type": ["integer", "null"]}})),
        ([["a", 1], ["b", 0.5]], two({"prefixItems": [TEXT, NUMBER]})),
        ([["a", 1], ["b"]], {"type": "array", "items": {"type": ["integer", "string"]}}),
        ([[]], {"type": "array", "minItems": 0, "maxItems": 0}),
        ([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], two({"items": two({"items": WHOLE})})),
        (
            [{"b": 1, "a": "x"}, {"b": 0.5}],
            {"type": "object", "properties": {"b": NUMBER, "a": TEXT}, "required": ["b"]},
        ),
        ([{}], {"type": "object"}),
        ([[1], {"a": 1}, None], {
            "type": ["array", "object", "null"], "items": WHOLE, "minItems": 1, "maxItems": 1,
            "properties": {"a": WHOLE}, "required": ["a"],
        }),
    ],
)  # fmt: skip
def test_schema_tells_what_the_values_show(values, schema):
    assert infer(values) == schema


@given(st.lists(VALUES, max_size=5), VALUES)
def test_every_value_fits_and_others_fit_as_json_schema_has_it(values, other):
    schema = infer(values)
    jsonschema.Draft202012Validator.check_schema(schema)
    oracle = jsonschema.Draft202012Validator(schema)
    for value in values:
        assert mismatch(schema, value) is None
        assert oracle.is_valid(value)
    assert (mismatch(schema, other) is None) == oracle.is_valid(other)


@given(st.lists(VALUES, max_size=5))
def test_schema_has_one_spelling(values):
    assert json.dumps(infer(values)) == json.dumps(infer(json.loads(json.dumps(values))))


@pytest.mark.parametrize(
    "value",
    [
        [0.5] * 10_000,
        {f"feature {number}": number for number in range(5_000)},
        {f"group {a}": {f"feature {b}": [1, "a"] for b in range(60)} for a in range(60)},
        ["a", 1] * 5_000,
        {"x" * 50_000: 1},
    ],
    ids=["numbers", "fields", "nested fields", "mixed", "long name"],
)
def test_schema_of_a_wide_value_is_small_and_still_fits(value):
    schema = infer([value])
    assert len(json.dumps(schema)) <= LARGEST
    assert mismatch(schema, value) is None
    assert mismatch(schema, "text") is not None


def test_items_of_a_wide_value_are_checked():
    schema = infer([{f"feature {number}": number for number in range(5_000)}])
    assert mismatch(schema, {"feature 7": "a"}) == 'field "feature 7": expected an integer, got a string'


def test_schema_of_a_deep_value_ends_and_still_fits():
    value = [1]
    for _ in range(90):
        value = [value, {"a": value}]
    assert mismatch(infer([value]), value) is None


@pytest.mark.parametrize(
    ("values", "other", "said"),
    [
        ([1.5], "a", "expected a number, got a string"),
        ([1], 1.5, "expected an integer, got a number"),
        ([1], True, "expected an integer, got a boolean"),
        (["a", None], [], "expected a string or null, got an array"),
        ([[0.5, 1]], [0.5], "expected 2 items, got 1"),
        ([["a"]], [], "expected 1 item, got 0"),
        ([[0.5, 1], [1, 2, 3]], [1, 2, "x"], "item 2: expected a number, got a string"),
        ([["a", 1]], ["a", "b"], "item 1: expected an integer, got a string"),
        ([{"room": "a"}], {}, 'field "room" is missing'),
        ([{"room": "a"}], {"room": None}, 'field "room": expected a string, got null'),
        ([{"a": [{"b": 1}]}], {"a": [{"b": {}}]}, 'field "a", item 0, field "b": expected an integer, got an object'),
        ([{"ro\nom\"": 1}], {}, r'field "ro\nom\"" is missing'),
        ([{"x" * 99: 1}], {}, f'field "{"x" * 59}…" is missing'),
    ],
)  # fmt: skip
def test_mismatch_says_where_and_what_in_one_line(values, other, said):
    assert mismatch(infer(values), other) == said


def test_fields_that_no_sample_has_are_let_through():
    assert mismatch(infer([{"room": "a"}]), {"room": "b", "more": [1]}) is None
