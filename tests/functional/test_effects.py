"""What cells change in libraries and in the environment holds in the image, too, or nothing is written."""

from __future__ import annotations

import json

import pytest
from notebooks import write_notebook
from support import post, run_nbslim, serving

REQUIRES = ("pandas", "numpy>=2", "scikit-learn")
SECRET = "hush-5a1c77e0b2"
CELLS = (
    """
import decimal
import os
import numpy as np
import pandas as pd
from sklearn.experimental import enable_iterative_imputer
from sklearn.impute import IterativeImputer
""",
    f"""
os.environ["MODE"] = "loud"
os.environ["TRAINING_TOKEN"] = "{SECRET}"
decimal.getcontext().prec = 5
np.seterr(all="raise")
factor = 2
pd.DataFrame.doubled = lambda self: self * factor

@pd.api.extensions.register_series_accessor("span")
class Span:
    def __init__(self, series):
        self.series = series

    def width(self):
        return float(self.series.max() - self.series.min())
""",
    """
imputer = IterativeImputer(max_iter=2).fit([[1.0, 2.0], [3.0, 6.0], [5.0, 10.0]])
samples = [[1, 2], [0, 4]]
""",
    """
def predictor(x):
    doubled = pd.DataFrame({"a": x}).doubled()["a"]
    try:
        logs = np.log(np.array(x, dtype=float)).tolist()
    except FloatingPointError as error:
        logs = str(error)
    filled = imputer.transform([[x[0], np.nan]]).round(3).tolist()
    return [doubled.tolist(), doubled.span.width(), logs, filled, os.environ["MODE"], str(decimal.Decimal(1) / 3)]
""",
)
IN_A_LOOP = """
import numpy as np

weights = []
for step in range(3):
    np.seterr(all="raise")
    weights.append(float(np.exp(step)))

def predictor(x):
    return x * weights[-1] + float(np.log(x))

samples = [1]
"""


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """The folder with all that packing the notebook leaves."""
    folder = tmp_path_factory.mktemp("effects")
    notebook = write_notebook(folder / "effects.ipynb", *CELLS, requirements=REQUIRES)
    result = run_nbslim(
        "pack", notebook, "--engine", "oci", "--output", folder / "image.tar", "--bundle", folder / "bundle",
        "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    (folder / "receipt.json").write_text(result.stdout)
    return folder


def test_every_sample_gets_the_notebooks_own_answer(left):
    verified = json.loads((left / "receipt.json").read_text())["verified"]
    assert (verified["samples"], verified["equal"]) == (2, 2)


def test_served_answers_are_the_same(left, tmp_path):
    samples = [json.loads(line) for line in (left / "bundle/samples.jsonl").read_text().splitlines()]
    assert "divide by zero" in samples[1]["answer"][2]
    with serving(left / "image.tar", tmp_path) as (address, _):
        assert [post(address, sample["input"]) for sample in samples] == [
            (200, sample["answer"]) for sample in samples
        ]


def test_variable_that_serving_does_not_read_stays_behind(left):
    pickled = (left / "bundle/entry_points.pickle").read_bytes()
    assert b"MODE" in pickled
    assert b"TRAINING_TOKEN" not in pickled
    assert SECRET.encode() not in pickled


def test_change_that_cannot_be_made_alone_is_refused_with_its_place(tmp_path):
    notebook = write_notebook(tmp_path / "loop.ipynb", IN_A_LOOP, requirements=("numpy>=2",))
    result = run_nbslim("pack", notebook, "--engine", "oci", "--output", tmp_path / "image.tar", cwd=tmp_path)
    assert result.returncode == 3, result.stderr
    said, hint = result.stderr.rstrip().splitlines()[-2:]
    assert 'loop.ipynb, cell 2, line 6: np.seterr(all="raise") changes numpy.seterr' in said
    assert "inside predictor" in hint
    assert [path.name for path in tmp_path.iterdir()] == ["loop.ipynb"]
