"""Predictors as notebooks have them, and whether a batched form follows from them."""

from __future__ import annotations

import textwrap

SETUP = """
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

random = np.random.default_rng(1)
table = random.random((300, 3))
high = (table.sum(axis=1) * 2).astype(int)
columns = ["a", "b", "c"]
tree = DecisionTreeClassifier(random_state=0).fit(table, high)
trees = [DecisionTreeClassifier(max_depth=depth, random_state=0).fit(table, high) for depth in (2, 3, 4)]
slope = DecisionTreeRegressor(max_depth=4, random_state=0).fit(table, table.sum(axis=1))
flat = DecisionTreeRegressor(max_depth=4, random_state=0).fit(table, table[:, :2])
named = DecisionTreeClassifier(random_state=0).fit(pd.DataFrame(table, columns=columns), high)
groups = KMeans(n_clusters=4, n_init=2, random_state=0).fit(table)
scaler = StandardScaler().fit(table)
scaled = DecisionTreeClassifier(random_state=0).fit(scaler.transform(table), high)
names = ["low", "some", "more", "much", "most", "all"]
seen = {}
history = []

def clean(x):
    return [float(value) for value in x]

def score_of(x):
    return tree.predict([x])[0]

def labelled(x):
    'A helper of a helper.'
    return names[score_of(x)]

def prepared(x):
    rows = np.asarray(x, dtype=float).reshape(1, -1)
    return rows

def framed(a, b, c):
    return pd.DataFrame({"a": [a], "b": [b], "c": [c]})

def part_of(x, model, place):
    return model.predict_proba(prepared(x))[0, 0] + place

def careful(x):
    if x[0] > 0.8:
        return -1
    return tree.predict([x])[0]

def scaled_by(x, factor=2):
    return tree.predict([x])[0] * factor

def centered(rows):
    return np.asarray(rows) - np.mean(rows, axis=0)

def shrunk(rows):
    rows = np.asarray(rows, dtype=float)
    return rows / rows.max() if rows.max() > 1 else rows

def filled(rows):
    frame = pd.DataFrame(rows, dtype=float)
    return frame.fillna(frame.mean()).fillna(0).to_numpy()

class Net:
    def __call__(self, rows):
        return np.round(np.asarray(rows, dtype=float) * [1, 2, 3], 6)

net = Net()
"""

LISTS = [[0.1, 0.2, 0.3], [0.9, 0.8, 0.7], [0.5, 0.1, 0.9], [1, 0, 0], [0.4, 1, 0.2], [0.9, 0.9, 0.05]]
RECORDS = [dict(zip("abc", row)) for row in LISTS]

DERIVED = {
    "the usual": "return tree.predict([x])[0]",
    "a lambda": "predictor = lambda x: tree.predict([x])[0]",
    "spelled out": "return tree.predict([[x[0], x[1], x[2]]])[0]",
    "an array": "return tree.predict(np.array([x]))[0]",
    "an array with its type": "return tree.predict(np.array([x], dtype=float))[0]",
    "a name": "row = np.array([x])\nreturn tree.predict(row)[0]",
    "two names": "row = [x]\nrows = np.array(row)\nreturn tree.predict(rows)[0]",
    "a name for the answer": "answer = tree.predict([x])\nreturn int(answer[0])",
    "one name again": "x = np.array(x).reshape(1, -1)\nreturn tree.predict(x)[0]",
    "reshape": "return tree.predict(np.asarray(x, dtype=float).reshape(1, -1))[0]",
    "reshape by a tuple": "return tree.predict(np.array(x).reshape((1, -1)))[0]",
    "numpy's reshape": "return tree.predict(np.reshape(np.array(x), (1, -1)))[0]",
    "reshape after astype": "return tree.predict(np.array(x).astype(float).reshape(1, -1))[0]",
    "reshape of a helper's array": "return tree.predict(np.add(x, 0).reshape(1, -1))[0]",
    "a new axis": "return tree.predict(np.array(x)[None, :])[0]",
    "numpy's new axis": "return tree.predict(np.array(x)[np.newaxis])[0]",
    "expand_dims": "return tree.predict(np.expand_dims(np.array(x), axis=0))[0]",
    "atleast_2d": "return tree.predict(np.atleast_2d(np.array(x)))[0]",
    "a helper before": "return tree.predict([clean(x)])[0]",
    "a name before": "features = clean(x)\nreturn tree.predict([features])[0]",
    "a table after": "return names[tree.predict([x])[0]]",
    "probabilities": "p = tree.predict_proba([x])[0]\nreturn {'p': p, 'best': names[np.argmax(p)]}",
    "one probability": "return tree.predict_proba([x])[0, 1]",
    "two indexes": "return tree.predict_proba([x])[0][1]",
    "two columns": "return flat.predict([x])[0].tolist()",
    "float": "return float(slope.predict([x]))",
    "round": "return round(float(slope.predict([x])[0]), 2)",
    "item": "return slope.predict([x]).item()",
    "tolist": "return slope.predict([x]).tolist()[0]",
    "a list of one": "return slope.predict([x]).tolist()",
    "the array itself": "return slope.predict([x])",
    "argmax of all": "return int(np.argmax(tree.predict_proba([x])))",
    "argmax by row": "return int(np.argmax(tree.predict_proba([x]), axis=1)[0])",
    "unpacked": "[answer] = tree.predict([x])\nreturn answer",
    "unpacked by a comma": "answer, = tree.predict([x])\nreturn answer",
    "a pipeline by hand": "t = scaler.transform([x])\nreturn scaled.predict(t)[0]",
    "two questions": "return [tree.predict([x])[0], groups.predict([x])[0]]",
    "two questions about a name": "X = np.array([x])\nreturn {'is': tree.predict(X)[0], 'p': tree.predict_proba(X)[0]}",
    "one question after the other": "first = slope.predict([x])[0]\nreturn tree.predict([[first, first, x[0]]])[0]",
    "a loop over models": "votes = []\nfor one in trees:\n    votes.append(one.predict([x])[0])\nreturn votes",
    "a sum over models": "total = 0\nfor one in trees:\n    total += one.predict([x])[0]\nreturn total / len(trees)",
    "an early return": "if x[0] > 0.8:\n    return -1\nreturn tree.predict([x])[0]",
    "two ways": "if x[0] > 0.45:\n    return tree.predict([x])[0]\nreturn 100 + groups.predict([x])[0]",
    "only where it matters": "return 0 if x[0] > 0.8 else tree.predict([x])[0] + 1",
    "an import of its own": "import numpy as n\nreturn tree.predict(n.array([x]))[0]",
    "a state": "with np.errstate(all='ignore'):\n    y = net([x])\n    z = y + 1\nreturn z[0].tolist()",
    "a state around it all": "with np.errstate(divide='ignore'):\n    return net([x])[0].tolist()",
    "what cannot be scored": "try:\n    return tree.predict([x])[0]\nexcept ValueError:\n    return None",
    "an assertion": "assert len(x) == 3\nreturn tree.predict([x])[0]",
    "annotations": "row: list = [x]\nreturn tree.predict(row)[0]",
    "a docstring": "'''Scores a row.'''\nreturn tree.predict([x])[0]",
    "a row that is changed": "x.append(x.pop() / 2)\nreturn tree.predict([x])[0]",
    "a helper that asks": "return score_of(x)",
    "a helper of a helper": "return labelled(clean(x))",
    "a helper that makes the table": "return tree.predict(prepared(x))[0]",
    "a helper that makes the table of what is made": "return tree.predict(prepared([v / 2 for v in x]))[0]",
    "a helper with more arguments": "return [part_of(x, model=one, place=n) for n, one in [(1, tree)]] + [score_of(x)]",
    "a helper that is told the model": "return part_of(x, tree, place=x[0])",
    "a helper that makes a frame": "return named.predict(framed(x['a'], x['b'], x['c']))[0]",
    "a frame": "return named.predict(pd.DataFrame([x]))[0]",
    "a frame with its columns": "return named.predict(pd.DataFrame([x], columns=columns))[0]",
    "a frame by an index": "return named.predict(pd.DataFrame(x, index=[0]))[0]",
    "a frame of columns": "X = pd.DataFrame({'a': [x['a']], 'b': [x['b']], 'c': [x['c']]})\nreturn named.predict(X)[0]",
    "a frame in another order": "return named.predict(pd.DataFrame([x])[columns])[0]",
    "values of a frame": "return pd.DataFrame([x]).assign(d=1).iloc[0, 3] + tree.predict([list(x.values())])[0]",
}
"""Bodies of `predictor(x)`, or the whole of it, of which batches are scored at once; those with frames get records."""

LOOPED = {
    "no model": ("return sum(x)", "asks no model"),
    "a helper with steps of its own": ("return careful(x)", "asks no model"),
    "a helper with a default": ("return scaled_by(x)", "asks no model"),
    "a helper whose names mean others here": (
        "tree = None\nreturn [tree, score_of(x)]",
        "asks no model",
    ),
    "a comprehension": ("return [one.predict([x])[0] for one in trees]", "asks no model"),
    "neighbours": ("return [centered([x])[0].tolist(), x]", "in a batch"),
    "the order": ("return sorted([x])[0]", "in a batch"),
    "fitted to the batch": ("return [StandardScaler().fit_transform([x])[0].tolist(), x]", "in a batch"),
    "neighbours whose numbers are large": ("return [shrunk([x])[0].tolist(), x]", "in a batch"),
    "neighbours that have no gap": ("return [filled([x])[0].tolist(), x]", "in a batch"),
    "one answer for all": ("return tree.predict([x])[0] * 0", "all samples have the same answer"),
    "another shape": ("return str(tree.predict([x]).shape) + str(x)", "raises BatchError"),
    "a list of all": ("return dict(found=tree.predict([x]))", "raises BatchError"),
    "something kept": ("seen[str(x)] = 1\nreturn tree.predict([x])[0]", "line 2: it may change seen"),
    "something appended": ("history.append(x)\nreturn tree.predict([x])[0]", "line 2: it may change history"),
    "something printed": ("print(x)\nreturn tree.predict([x])[0]", "line 2: it may change print"),
    "a global name": ("global count\ncount = 1\nreturn tree.predict([x])[0]", "it changes count"),
    "a with block": ("with open('/dev/null'):\n    return tree.predict([x])[0]", "inside of a with block"),
    "a state by its name": (
        "with np.errstate() as s:\n    return tree.predict([x])[0]",
        "inside of a with block",
    ),
    "a try that ends": ("try:\n    return tree.predict([x])[0]\nfinally:\n    x = 1", "inside of a try"),
    "a try that catches all": (
        "try:\n    return tree.predict([x])[0]\nexcept:\n    return 1",
        "inside of a try",
    ),
    "what looks at itself": ("y = locals()\nreturn tree.predict([x])[0]", "locals may see"),
    "a generator": ("yield tree.predict([x])[0]", "is a generator"),
    "an asynchronous one": ("async def predictor(x):\n    return tree.predict([x])[0]", "is asynchronous"),
    "a default": ("def predictor(x=1):\n    return tree.predict([x])[0]", "a default"),
    "more arguments": ("def predictor(x, *rest):\n    return tree.predict([x])[0]", "the sample alone"),
    "a keyword": ("def predictor(x, *, k=0):\n    return tree.predict([x])[0]", "the sample alone"),
    "a decorator": (
        "def same(f): return f\n@same\ndef predictor(x):\n    return tree.predict([x])[0]",
        "a decorator",
    ),
    "a closure": (
        "def make(m):\n    def predictor(x): return m.predict([x])[0]\n    return predictor\npredictor = make(tree)",
        "made by another function",
    ),
    "a method": ("predictor = tree.predict", "not a function that a cell defines"),
    "a partial": (
        "import functools\npredictor = functools.partial(lambda x: tree.predict([x])[0])",
        "not a function that a cell defines",
    ),
    "two lambdas": ("a, predictor = lambda x: 0, lambda x: tree.predict([x])[0]", "not to be found"),
    "tables of its own": ("m = Net()\nreturn m([x])[0].tolist()", "cannot be asked about together"),
    "a column of all": (
        "frame = pd.DataFrame([x])\nframe['d'] = 1\nreturn tree.predict(frame[[0, 1, 2]])[0]",
        "",
    ),
}
"""Those of which each row is scored alone, with a part of the reason."""


def cell(text: str) -> str:
    """Return the cell that defines a predictor with this body."""
    whole = any(start in text for start in ("def ", "predictor =", "lambda x"))
    return text + "\n" if whole else f"def predictor(x):\n{textwrap.indent(text, '    ')}\n"


def samples_of(name: str) -> list[object]:
    """Return the samples of a predictor."""
    return list(RECORDS if name in FRAMES else LISTS)


FRAMES = {
    "a frame", "a helper that makes a frame",
    "a frame by an index", "a frame of columns", "a frame in another order", "values of a frame",
}  # fmt: skip
"""Those that take records."""
