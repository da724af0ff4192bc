import pytest
from nbslim.runtime.in_words import in_words
from nbslim.runtime.schema import infer


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "any JSON value"),
        ([1], "an integer"),
        (["a", None], "a string or null"),
        ([[0.1, 0.2]], "an array of 2 numbers"),
        ([[0.1, 0.2], [1]], "an array of numbers"),
        ([[True]], "an array of 1 item, a boolean"),
        ([[]], "an array without items"),
        ([[], [1, "a", None]], "an array of integers or strings or nulls"),
        ([[[1, 2], [3, 4], [5, 6]]], "an array of 3 arrays of 2 integers"),
        ([["a", 1.5]], "an array of 2 items: a string and a number"),
        ([[0.5] * 10_000], "an array of 10,000 numbers"),
        ([{}], "an object"),
        ([{"room": "a", "celsius": 1.5}], 'an object with "room" (a string) and "celsius" (a number)'),
        ([{"a": 1, "b": []}, {"a": 1}],
         'an object with "a" (an integer) and "b" (an array without items, not always)'),
        ([[{"a": 1}, {"a": 2}]], 'an array of 2 objects with "a" (an integer)'),
        ([{str(number): number for number in range(100)}], "an object whose values are integers"),
    ],
)  # fmt: skip
def test_phrase_says_what_fits(values, words):
    assert in_words(infer(values)) == words


def test_many_fields_are_counted():
    words = in_words(infer([{f"f{number}": 0.5 for number in range(20)}]))
    assert words.startswith('an object with "f0" (a number), "f1" (a number), ')
    assert words.endswith(' "f11" (a number) and 8 more')
