import dataclasses
import datetime
import enum
import json
import re
import subprocess
import sys
from collections import OrderedDict, deque, namedtuple
from decimal import Decimal
from pathlib import Path, PurePosixPath

import pytest
from nbslim.runtime.encode import EncodeError, encode, plain
from uv import find_uv_bin


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Label:
    name: str
    scores: tuple[float, ...]


Point = namedtuple("Point", "x y")
UTC = datetime.timezone.utc


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (3, "3"),
        (0.1, "0.1"),
        ("ä\u2028", '"ä\u2028"'),
        ("\ud800", '"\\ud800"'),
        (float("nan"), "null"),
        ([float("inf"), -float("inf")], "[null,null]"),
        ((1, "a"), '[1,"a"]'),
        (Point(1, 2), "[1,2]"),
        (range(3), "[0,1,2]"),
        ({"a": (1,)}.values(), "[[1]]"),
        ({"a": (1,)}.items(), '[["a",[1]]]'),
        (deque([1]), "[1]"),
        ({"b": 1, "a": [2]}, '{"b":1,"a":[2]}'),
        (OrderedDict(a=1), '{"a":1}'),
        ({1: 1, None: 2, False: 3, 0.5: 4}, '{"1":1,"null":2,"false":3,"0.5":4}'),
        ({Colour.RED: 1, datetime.date(2024, 1, 2): 2}, '{"red":1,"2024-01-02":2}'),
        ({3, 1, 2}, "[1,2,3]"),
        (frozenset({"a", 1}), '["a",1]'),
        (b"\x00\xff", '"AP8="'),
        (memoryview(b"ab"), '"YWI="'),
        (Decimal("0.1"), "0.1"),
        (Decimal("0.12345678901234567890"), '"0.12345678901234567890"'),
        (Decimal("NaN"), "null"),
        (datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), '"2024-01-02T03:04:05+00:00"'),
        (datetime.date(2024, 1, 2), '"2024-01-02"'),
        (datetime.time(3, 4), '"03:04:00"'),
        (datetime.timedelta(minutes=1), "60.0"),
        (Colour.RED, '"red"'),
        (Level.HIGH, "3"),
        (Label("spam", (0.5,)), '{"name":"spam","scores":[0.5]}'),
        (PurePosixPath("a/b"), '"a/b"'),
    ],
    ids=repr,
)
def test_value_becomes_text(value, text):
    assert encode(value) == text


def test_text_is_what_a_client_reads():
    assert json.loads(encode({"a": (1, {2})})) == plain({"a": (1, {2})}) == {"a": [1, [2]]}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (object(), "object"),
        (1j, "complex"),
        ([Label], "type"),
        ({(1, 2): 3}, "tuple"),
        ({1: "a", "1": "b"}, "dict"),
        ((item for item in "ab"), "generator"),
        (Exception("secret"), "Exception"),
    ],
    ids=["object", "complex", "class", "tuple as key", "equal keys", "generator", "exception"],
)
def test_what_json_cannot_hold_is_named(value, name):
    with pytest.raises(EncodeError, match=rf"\b{name}\b"):
        encode(value)


def test_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(EncodeError, match="list is nested too deeply or holds itself"):
        encode(value)


def test_array_like_that_gives_itself_is_refused():
    class Stubborn:
        def tolist(self):
            return self

    with pytest.raises(EncodeError, match="Stubborn"):
        encode(Stubborn())


NUMERIC_CASES = """
np.float64(0.5) -> 0.5
np.float32(0.5) -> 0.5
np.float64("nan") -> null
np.longdouble(0.5) -> 0.5
np.int32(3) -> 3
np.bool_(True) -> true
np.str_("a") -> "a"
np.bytes_(b"ab") -> "YWI="
np.array(3) -> 3
np.array([[1, 2], [3, 4]]) -> [[1,2],[3,4]]
np.array([0.5, np.inf], dtype="f4") -> [0.5,null]
np.array([0.5], dtype="longdouble") -> [0.5]
np.array([{"a": np.int64(1)}, None], dtype=object) -> [{"a":1},null]
np.array([(1, 0.5)], dtype=[("a", "i4"), ("b", "f8")]) -> [[1,0.5]]
np.array([(1, "2024-01-02")], dtype=[("a", "i4"), ("b", "M8[ns]")]) -> [[1,"2024-01-02T00:00:00"]]
np.array([(1, "NaT")], dtype=[("a", "i4"), ("b", "m8[ns]")])[0] -> [1,null]
np.array((1, 2), dtype=[("a", "m8[s]"), ("b", "longdouble")]) -> [1.0,2.0]
pd.DataFrame({"a": pd.to_datetime(["2024-01-02"])}).to_records(index=False) -> [["2024-01-02T00:00:00"]]
np.ma.array([1, 2], mask=[False, True]) -> [1,null]
np.matrix([[1, 2]]) -> [[1,2]]
np.datetime64("2024-01-02") -> "2024-01-02"
np.datetime64("2024-01-02T03:04:05.123456789") -> "2024-01-02T03:04:05.123456"
np.datetime64("NaT") -> null
np.array(["2024-01-02", "NaT"], dtype="M8[ns]") -> ["2024-01-02T00:00:00",null]
np.timedelta64(1500, "ms") -> 1.5
np.array([[1, 2]], dtype="m8[D]") -> [[86400.0,172800.0]]
np.timedelta64(1500000000, "ns") -> 1.5
{np.int64(1): np.float64(2), np.str_("a"): 3} -> {"1":2.0,"a":3}
{np.int64(2), np.int64(1)} -> [1,2]
[np.int64(1), (np.array([2]),)] -> [1,[[2]]]
pd.Series([1, 2], index=["a", "b"]) -> [1,2]
pd.Series(["a", None, "b"]) -> ["a",null,"b"]
pd.Series([1, None], dtype="Int64") -> [1,null]
pd.Series(pd.to_datetime(["2024-01-02", None])) -> ["2024-01-02T00:00:00",null]
pd.Series(pd.to_datetime(["2024-01-02"]).tz_localize("UTC")) -> ["2024-01-02T00:00:00+00:00"]
pd.Series(pd.to_timedelta(["1min", None])) -> [60.0,null]
pd.Series(["x", "y"], dtype="category") -> ["x","y"]
pd.Index(["a", "b"]) -> ["a","b"]
pd.array([True, None], dtype="boolean") -> [true,null]
pd.DataFrame({"a": [1, 2], "b": ["x", None]}) -> [{"a":1,"b":"x"},{"a":2,"b":null}]
pd.DataFrame({1: [0.5]}) -> [{"1":0.5}]
pd.Timestamp("2024-01-02 03:04:05") -> "2024-01-02T03:04:05"
pd.Timedelta("1min") -> 60.0
pd.NaT -> null
pd.NA -> null
pd.DataFrame([[1, 2]], columns=[1, 1]) -> EncodeError: a value of type DataFrame has two columns of one name
np.datetime64("30000-01-01") -> EncodeError: a value of type datetime64[D] has no place in Python's datetime
np.array([[1, 2]], dtype="m8[M]") -> EncodeError: a value of type timedelta64[M] has no place in Python's datetime
np.complex128(1j) -> EncodeError: a value of type complex cannot be written as JSON
np.clongdouble(1j) -> EncodeError: a value of type numpy.clongdouble cannot be written as JSON
"""

NUMERIC_PROGRAM = """
import datetime, decimal, json, re, sys
import numpy as np, pandas as pd
from nbslim.runtime.encode import EncodeError, encode

def text(expression):
    try:
        return encode(eval(expression))
    except EncodeError as error:
        return re.sub(r"pandas[.a-z]*\\.", "", f"EncodeError: {error}")

json.dump([text(line) for line in json.load(sys.stdin)], sys.stdout)
"""

DOCUMENT = (Path(__file__).parents[2] / "docs/serving.md").read_text()
ANSWERS = DOCUMENT.partition("## Answers")[2].partition("## ")[0]
TOLD = re.findall(r"^\| `(.+?)` \| `(.+?)` \|", ANSWERS, re.MULTILINE)


@pytest.fixture(name="texts", scope="session")
def _texts(tmp_path_factory, alone):
    """The cases' texts, made by real numpy and pandas in an environment of their own."""
    python = tmp_path_factory.mktemp("numeric") / "bin" / "python"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, python.parents[1]], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, "numpy", "pandas"], check=True)
    expressions = [line.split(" -> ")[0] for line in NUMERIC_CASES.strip().splitlines()]
    expressions += [expression for expression, _ in TOLD]
    done = subprocess.run(
        [python, "-c", NUMERIC_PROGRAM],
        input=json.dumps(expressions),
        env={"PYTHONPATH": str(alone)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(expressions, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", NUMERIC_CASES.strip().splitlines())
def test_numpy_and_pandas_value_becomes_text(case, texts):
    expression, text = case.split(" -> ")
    assert texts[expression] == text


def test_document_tells_how_answers_are_written(texts):
    assert len(TOLD) == 12
    assert {expression: texts[expression] for expression, _ in TOLD} == dict(TOLD)
