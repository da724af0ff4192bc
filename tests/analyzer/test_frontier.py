"""Nine ways in which a function names what it needs, after the module frontier of the first notebook packer."""

import io
import json

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.names import is_standard, top_of
from nbslim.analyzer.types import Cell, Notebook
from nbslim.packer.cli import main
from notebooks import write_notebook

REQUIREMENTS = ("numpy==2.1.0", "scikit-learn==1.5.2", "matplotlib==3.9.2")
CELLS = [
    "import sys\nimport numpy as np\nfrom numpy import dot\nfrom numpy.linalg import norm\n"
    "from sklearn.cluster import KMeans\nimport matplotlib.pyplot as plt",
    "def f(a, b):\n    return np.dot(a, b)",
    "def g(a, b):\n    return dot(a, b)",
    "def h(a, b):\n    return f(a, b) + 1",
    "points = np.random.rand(50, 2)\nmodel = KMeans(n_clusters=3).fit(points)\n"
    "centers = [(float(x), float(y)) for x, y in model.cluster_centers_]\nplt.scatter(*points.T)",
    "def km_predict_one(x):\n    return int(model.predict(np.array([x]))[0])",
    "def km_predict_two(x):\n"
    "    distances = [norm((x[0] - a, x[1] - b)) for a, b in centers]\n"
    "    return distances.index(min(distances))",
    "def km_predict_three(x):\n"
    "    def nearest(best, closest=sys.float_info.max):\n"
    "        for number, (a, b) in enumerate(centers):\n"
    "            distance = norm((x[0] - a, x[1] - b))\n"
    "            if distance < closest:\n"
    "                best, closest = number, distance\n"
    "        return best\n"
    "    return nearest(None)",
    "def km_predict_four(x):\n"
    "    distances = list(map(lambda center: norm((x[0] - center[0], x[1] - center[1])), centers))\n"
    "    return distances.index(min(distances))",
    "def km_predict_five(x):\n"
    "    from numpy.linalg import norm as length\n"
    "    from scipy.spatial import distance\n"
    "    from sys.float_info import max\n"
    "    return min(length((x[0] - a, x[1] - b)) + distance.euclidean(x, (a, b)) for a, b in centers)",
    "def example_six(x):\n    import json\n    return json.dumps(x)",
]
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
def serving(tmp_path):
    """Tell by the command which distributions serving an entry point needs, each with the rest of what is said."""
    path = write_notebook(tmp_path / "model.ipynb", *CELLS, requirements=REQUIREMENTS)

    def serving(entry):
        out = io.StringIO()
        assert main(["analyze", "--offline", "--json", "--entry", entry, str(path)], stdout=out) == 0
        return {kept["name"]: kept for kept in json.loads(out.getvalue())["serving"]}

    return serving


@pytest.mark.parametrize("entry", NEEDED)
def test_function_needs_what_it_names_and_nothing_else(tmp_path, entry):
    cells = tuple(Cell(number, source, source) for number, source in enumerate(CELLS, 1))
    closure = find_closure(Notebook(tmp_path / "model.ipynb", cells, None), entries=(entry,))
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
        {"name": "km_predict_two", "cell": 8, "line": 1},
        {"name": "norm", "cell": 2, "line": 4},
    ]
