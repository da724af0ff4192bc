"""The closure reaches what serving needs, says how sure it is, and shows the way."""

from pathlib import Path
from textwrap import dedent

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.types import Cell, Link, Notebook, Place


def notebook(*cells, folder=Path("/nowhere")):
    sources = [dedent(cell).strip("\n") for cell in cells]
    return Notebook(folder / "model.ipynb", tuple(Cell(n, s, s) for n, s in enumerate(sources, 1)), None)


def found(*cells, folder=Path("/nowhere")):
    """Return top-level module names with their certainty."""
    closure = find_closure(notebook(*cells, folder=folder))
    return {needed.module.partition(".")[0]: needed.certainty for needed in reversed(closure.imports)}


CASES = {
    "a function's body is certain": (
        ["import numpy as np", "def predictor(x): return np.sum(x)"],
        {"numpy": "certain"},
    ),
    "what only a value was computed from is possible": (
        [
            "from sklearn.cluster import KMeans",
            "model = KMeans().fit([[0]])",
            "def predictor(x): return model.predict(x)",
        ],
        {"sklearn": "possible"},
    ),
    "what nothing reaches is dropped": (
        [
            "import matplotlib.pyplot as plt\nimport json",
            "plt.plot([1])",
            "def predictor(x): return json.dumps(x)",
        ],
        {"json": "certain"},
    ),
    "a helper is followed": (
        [
            "import numpy as np\nimport pandas as pd",
            "def mean(x): return np.mean(x)\ndef predictor(x): return mean(x)",
        ],
        {"numpy": "certain"},
    ),
    "a body sees the last binding, even a later one": (
        ["import numpy as m", "def predictor(x): return m.f(x)", "import scipy as m"],
        {"scipy": "certain"},
    ),
    "a default is seen at definition": (
        ["import numpy as m", "def predictor(x, f=m.sum): return f(x)", "import scipy as m"],
        {"numpy": "possible"},
    ),
    "a rebound value forgets what it was": (
        ["import pandas as pd", "t = pd.DataFrame()", "t = 3", "def predictor(x): return x > t"],
        {},
    ),
    "a plain value holds nothing of its source": (
        [
            "import pandas as pd",
            "t = float(pd.Series([1]).mean())\nc = [1.5, 2]",
            "def predictor(x): return x > t + c[0]",
        ],
        {},
    ),
    "a shadowed builtin makes no plain value": (
        ["import numpy as np", "float = np.float32", "t = float(3)", "def predictor(x): return x > t"],
        {"numpy": "possible"},
    ),
    "being drawn does not change a value": (
        ["import matplotlib.pyplot as plt\nX = [1]", "plt.scatter(X, X)", "def predictor(x): return X"],
        {},
    ),
    "a method may change its object": (
        ["import numpy as np\nrows = []", "rows.append(np.zeros(3))", "def predictor(x): return rows"],
        {"numpy": "possible"},
    ),
    "an item may change its container": (
        ["import numpy as np\nd = {}", "d['a'] = np.zeros(3)", "def predictor(x): return d"],
        {"numpy": "possible"},
    ),
    "a function of the notebook may change what it is handed": (
        [
            "import numpy as np\nd = {}",
            "def fill(t): t['a'] = np.zeros(3)",
            "fill(d)",
            "def predictor(x): return d",
        ],
        {"numpy": "possible"},
    ),
    "a base class is certain": (
        [
            "import torch",
            "class Net(torch.nn.Module):\n    def forward(self, x): return x",
            "def predictor(x): return Net()(x)",
        ],
        {"torch": "certain"},
    ),
    "a method's body is certain": (
        ["import numpy as np", "class P:\n    def __call__(self, x): return np.sum(x)", "predictor = P()"],
        {"numpy": "possible"},
    ),
    "a lambda is code": (
        ["import numpy as np", "predictor = lambda x: np.sum(x)"],
        {"numpy": "certain"},
    ),
    "an import in the body is certain": (
        ["def predictor(x):\n    import numpy as np\n    from scipy import stats\n    return np"],
        {"numpy": "certain", "scipy": "certain"},
    ),
    "a parameter shadows a global": (
        ["import numpy as x", "def predictor(x): return x"],
        {},
    ),
    "a comprehension's variable is its own": (
        ["import numpy as i", "def predictor(x): return [i for i in x]"],
        {},
    ),
    "match captures are local": (
        [
            "import pandas as pd",
            "def predictor(x):\n    match x:\n        case [pd, *rest]: return pd\n        case _: return 0",
        ],
        {},
    ),
    "imports for type checkers are none": (
        [
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas",
            "def predictor(x): return x",
        ],
        {},
    ),
    "annotations are possible: a decorator may use them": (
        ["import pandas as pd\nimport polars as pl", "def predictor(x: pd.DataFrame) -> pl.Series: return x"],
        {"pandas": "possible", "polars": "possible"},
    ),
    "importlib with a literal is an import": (
        ["import importlib\nnp = importlib.import_module('numpy')", "def predictor(x): return np.sum(x)"],
        {"numpy": "certain", "importlib": "possible"},
    ),
    "annotations of local variables are none": (
        [
            "import pandas as pd\nimport numpy as np",
            "def predictor(x):\n    t: pd.DataFrame = x\n    class A:\n        y: np.array\n    return A",
        ],
        {"numpy": "certain"},
    ),
    "a sum goes on with what it was": (
        ["import numpy as np\nt = np.zeros(3)", "t += 1", "def predictor(x): return x > t"],
        {"numpy": "possible"},
    ),
    "a served function may count in a global": (
        [
            "import numpy as np\nn = np.int64(0)",
            "def predictor(x):\n    global n\n    n += 1\n    return x",
        ],
        {"numpy": "possible"},
    ),
    "a walrus in a comprehension binds outside of it": (
        ["import pandas as pd\n[t := s for s in pd.f()]", "def predictor(x): return t"],
        {"pandas": "possible"},
    ),
    "a constant names the module that is imported": (
        [
            "import importlib\nNAME = 'numpy'\nOTHER = 'scipy'\nother = importlib.import_module(OTHER)",
            "OTHER = other.x\ndef predictor(x): return importlib.import_module(NAME).sum(other)",
        ],
        {"numpy": "certain", "scipy": "possible", "importlib": "certain"},
    ),
    "a parameter is no constant": (
        ["NAME = 'numpy'", "def load(NAME): return __import__(NAME)\ndef predictor(x): return load(x)"],
        {},
    ),
    "a global that a function sets counts": (
        [
            "import numpy as np\nm = None",
            "def train():\n    global m\n    m = np.zeros(3)",
            "train()",
            "def predictor(x): return m",
        ],
        {"numpy": "possible"},
    ),
    "a star import may bind what nothing else does": (
        ["from numpy import *", "def predictor(x): return zeros(3)"],
        {"numpy": "certain"},
    ),
    "the validator counts too": (
        ["import numpy as np", "def predictor(x): return x", "def validator(x): return np.all(x)"],
        {"numpy": "certain"},
    ),
    "a batched form counts too": (
        ["import numpy as np", "def predictor(x): return x", "def predictor_batch(xs): return np.sort(xs)"],
        {"numpy": "certain"},
    ),
    "a loop's target comes from what it runs over": (
        [
            "import pandas as pd",
            "for row in pd.DataFrame():\n    last = row",
            "def predictor(x): return last",
        ],
        {"pandas": "possible"},
    ),
    "an import that another may have replaced is possible": (
        [
            "import sys\nif sys.a:\n    import x as m\nelse:\n    import y as m",
            "def predictor(x): return m.f(x)",
        ],
        {"x": "possible", "y": "possible"},
    ),
    "an import that is repeated under a condition stays certain": (
        ["import numpy as np", "if True:\n    import numpy as np", "def predictor(x): return np.f(x)"],
        {"numpy": "certain"},
    ),
    "literal code is read": (
        ["import numpy as np\ndef f(x): return np.sum(x)", "def predictor(x): return eval('f')(x)"],
        {"numpy": "certain"},
    ),
    "a file brings what the notebook put into it": (
        [
            "import joblib\nfrom sklearn.svm import SVC\nimport pandas",
            "joblib.dump(SVC(), 'model.joblib')\npandas.DataFrame().to_csv('other.csv')",
            "def predictor(x): return joblib.load('model.joblib').predict(x)",
        ],
        {"joblib": "certain", "sklearn": "possible"},
    ),
    "a method of a call's result does not change the function": (
        [
            "import pandas as pd\nimport scipy",
            "str(scipy).strip()\nt = str(pd)",
            "def predictor(x): return t",
        ],
        {},
    ),
    "both branches may have run": (
        ["import a\nimport b\nif a.flag:\n    m = a.f()\nelse:\n    m = b.f()", "def predictor(x): return m"],
        {"a": "possible", "b": "possible"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_closure(name):
    cells, expected = CASES[name]
    assert found(*cells) == expected


def test_evidence_is_the_shortest_chain_from_the_entry_point():
    closure = find_closure(
        notebook(
            "import numpy as np\nfrom sklearn.cluster import KMeans",
            "X = np.zeros((9, 2))\nmodel = KMeans().fit(X)",
            "def predictor(x):\n    return model.predict([x])[0]",
        )
    )
    assert closure.entry_points == {"predictor": Place(3, 1)}
    chains = {needed.module: needed.why for needed in closure.imports}
    assert chains["sklearn.cluster.KMeans"] == (
        Link("predictor", Place(3, 1)),
        Link("model", Place(2, 2)),
        Link("KMeans", Place(1, 2)),
    )


def test_imports_that_may_fail_are_marked():
    closure = find_closure(
        notebook(
            "try:\n    import ujson as json\nexcept ImportError:\n    import json",
            "def predictor(x): return json",
        )
    )
    assert {needed.module: needed.optional for needed in closure.imports} == {"ujson": True, "json": False}


def test_local_modules_are_followed_with_their_own_imports(tmp_path):
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/__init__.py").write_text("from .clean import lower\n")
    (tmp_path / "kit/clean.py").write_text("import regex\ndef lower(x):\n    import ftfy\n    return x\n")
    (tmp_path / "kit/plots.py").write_text("import matplotlib\n")
    cells = ["from kit import lower\nfrom kit.plots import draw", "def predictor(x): return lower(x)"]
    closure = find_closure(notebook(*cells, folder=tmp_path))
    assert closure.local_files == ("kit/__init__.py", "kit/clean.py")
    assert [needed.module for needed in closure.imports] == ["ftfy", "regex"]


def test_missing_predictor_names_what_looks_like_it():
    with pytest.raises(NotebookError, match=r"model\.ipynb: no cell defines predictor") as caught:
        find_closure(notebook("def predict(x): return x"))
    assert caught.value.hint == "predict (cell 1, line 1) looks like it"


def test_syntax_error_in_a_needed_cell_is_an_error_with_its_place():
    with pytest.raises(NotebookError, match=r"model\.ipynb, cell 2, line 2: "):
        find_closure(notebook("x = 1", "y = 2\nscale = (", "def predictor(x): return x * scale"))


def test_syntax_error_has_the_line_of_the_cell():
    closure = find_closure(notebook("x = 1\n\ndef f():\n    nonlocal y", "def predictor(x): return x"))
    assert closure.warnings == ("model.ipynb, cell 1, line 4: no binding for nonlocal 'y' found",)


@pytest.mark.parametrize("call", ["get_ipython().system('ls')", "[get_ipython() for _ in x]"])
def test_served_code_that_needs_jupyter_is_refused_with_its_place(call):
    with pytest.raises(NotebookError, match=r"^model\.ipynb, cell 1, line 2: get_ipython\(\) is not there"):
        find_closure(notebook(f"def predictor(x):\n    return {call}"))


def test_jupyter_is_there_for_what_is_not_served():
    cells = [
        "def show(x): get_ipython().system('ls')\nif get_ipython(): show(1)",
        "def predictor(x): return x",
    ]
    assert find_closure(notebook(*cells)).warnings == ()


def test_script_that_a_cell_runs_is_part_of_the_cell(tmp_path):
    (tmp_path / "setup.py").write_text("import numpy as np\n\n\ndef scale(x): return np.abs(x)\n")
    cells = (
        Cell(1, "", "x = 1\nget_ipython().run_line_magic('run', 'setup.py')", runs=(("setup.py", 2),)),
        Cell(2, "", "def predictor(x): return scale(x)"),
    )
    closure = find_closure(Notebook(tmp_path / "model.ipynb", cells, None))
    assert [(needed.module, needed.why) for needed in closure.imports] == [
        ("numpy", (Link("predictor", Place(2, 1)), Link("scale", Place(1, 2)), Link("np", Place(1, 2))))
    ]


def test_chain_names_an_object_once_however_often_it_changed():
    cells = [
        "import numpy as np\nrows = []",
        "rows.append(np.e)",
        *["rows.append(1)"] * 3,
        "def predictor(x): return rows",
    ]
    (needed,) = find_closure(notebook(*cells)).imports
    assert needed.why == (
        Link("predictor", Place(6, 1)),
        Link("rows", Place(2, 1)),
        Link("np", Place(1, 1)),
    )


def test_syntax_error_elsewhere_is_a_warning():
    closure = find_closure(notebook("this is no python", "def predictor(x): return x"))
    assert len(closure.warnings) == 1
    assert closure.warnings[0].startswith("model.ipynb, cell 1, line 1: ")


@pytest.mark.parametrize("code", ["eval(x)", "globals()[x]", "__import__(x)"])
def test_what_cannot_be_followed_is_a_warning_with_its_place(code):
    closure = find_closure(notebook("import json", f"def predictor(x):\n    return {code}"))
    assert len(closure.warnings) == 1
    assert "cell 2, line 2" in closure.warnings[0]


def test_work_grows_with_the_notebook_and_not_faster():
    cells = [
        "rows = []",
        *(f"rows.append({n})\nv{n} = rows" for n in range(300)),
        "def predictor(x): return rows",
    ]
    closure = find_closure(notebook(*cells))
    assert closure.imports == ()
