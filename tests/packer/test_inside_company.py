"""Inputs are made of a notebook's samples."""

import json

from nbslim.packer.inside_company import NUMBER, as_fraction, as_whole, company

SAMPLE = {"size": 0.5, "count": 3, "name": "a", "known": True, "more": [1.25, None]}


def test_inputs_are_the_same_ones_each_time_and_keep_what_is_no_number():
    made = list(company([SAMPLE]))
    assert made == list(company([SAMPLE]))
    assert len(made) == NUMBER
    assert {(one["name"], one["known"], one["more"][1]) for one in made} == {("a", True, None)}
    assert {type(one["count"]) for one in made} <= {int, type(None)}
    assert len(set(map(json.dumps, made))) > NUMBER / 2


def test_some_inputs_have_gaps():
    made = list(company([[float(number) for number in range(1, 11)]] * 10))
    assert 0 < sum(None in one for one in made) <= 10


def test_numbers_that_cannot_be_multiplied_stay_as_they_are():
    sample = [10**400, -(10**400), 1.7e308, float("inf")]
    made = [number for one in company([sample]) for number in one if number is not None]
    assert set(made) == set(sample)
    assert as_whole(sample) == as_fraction(sample) == sample
