"""Nine ways in which a function names what it needs, after the module frontier of the first notebook packer."""

import io
import json

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.notebook import read_notebook
from nbslim.packer.cli import main

NOTEBOOK = """\
# %%
requirements = ["numpy", "scikit-learn", "scipy", "matplotlib"]
import sys
import numpy as np
from numpy import dot
from numpy.linalg import norm
from sklearn.cluster import KMeans
import matplotlib.pyplot as plt
# %%
def f(a, b):
    return np.dot(a, b)
# %%
def g(a, b):
    return dot(a, b)
# %%
def h(a, b):
    return f(a, b) + 1
# %%
points = np.random.rand(50, 2)
model = KMeans(n_clusters=3).fit(points)
centers = [(float(x), float(y)) for x, y in model.cluster_centers_]
plt.scatter(*points.T)
# %%
def km_predict_one(x):
    return int(model.predict(np.array([x]))[0])
# %%
def km_predict_two(x):
    distances = [norm((x[0] - a, x[1] - b)) for a, b in centers]
    return distances.index(min(distances))
# %%
def km_predict_three(x):
    def nearest(best, closest=sys.float_info.max):
        for number, (a, b) in enumerate(centers):
            distance = norm((x[0] - a, x[1] - b))
            if distance < closest:
                best, closest = number, distance
        return best
    return nearest(None)
# %%
def km_predict_four(x):
    distances = list(map(lambda center: norm((x[0] - center[0], x[1] - center[1])), centers))
    return distances.index(min(distances))
# %%
def km_predict_five(x):
    from numpy.linalg import norm as length
    from scipy.spatial import distance
    from sys.float_info import max
    return min(length((x[0] - a, x[1] - b)) + distance.euclidean(x, (a, b)) for a, b in centers)
# %%
def example_six(x):
    import json
    return json.dumps(x)
"""
NEEDED = {
    "f": {"numpy"},
    "g": {"numpy"},
    "h": {"numpy"},
    "km_predict_one": {"numpy", "sklearn"},
    "km_predict_two": {"numpy"},
    "km_predict_three": {"numpy"},
    "km_predict_four": {"numpy"},
    "km_predict_five": {"numpy", "scipy"},
    "example_six": set(),
}
DISTRIBUTIONS = {"sklearn": "scikit-learn"}


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "model.py"
    path.write_text(NOTEBOOK)
    return path


@pytest.fixture
def serving(notebook):
    """Tell by the command which distributions serving an entry point needs, each with the rest of what is said."""

    def serving(entry):
        out = io.StringIO()
        assert main(["analyze", "--offline", "--json", "--entry", entry, str(notebook)], stdout=out) == 0
        return {kept["name"]: kept for kept in json.loads(out.getvalue())["serving"]}

    return serving


@pytest.mark.parametrize("entry", NEEDED)
def test_function_needs_what_it_names_and_nothing_else(notebook, entry):
    closure = find_closure(read_notebook(notebook), entries=(entry,))
    assert {top_of(n.module) for n in closure.imports if not is_standard(n.module)} == NEEDED[entry]


@pytest.mark.parametrize("entry", NEEDED)
def test_command_names_the_same_and_all_of_it_is_direct(serving, entry):
    kept = serving(entry)
    assert set(kept) == {DISTRIBUTIONS.get(module, module) for module in NEEDED[entry]}
    assert all(one["direct"] for one in kept.values())


def test_one_notebook_with_two_predictors_has_two_serving_sets(serving):
    with_model, with_centers = serving("km_predict_one"), serving("km_predict_two")
    assert set(with_model) - set(with_centers) == {"scikit-learn"}
    assert with_model["scikit-learn"]["certainty"] == "possible"
    assert with_centers["numpy"]["certainty"] == "certain"
    assert with_centers["numpy"]["why"] == [
        {"name": "km_predict_two", "cell": 7, "line": 1},
        {"name": "norm", "cell": 1, "line": 5},
    ]
