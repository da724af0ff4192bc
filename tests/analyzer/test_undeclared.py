import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbslim.analyzer.analysis import analyze
from nbslim.analyzer.distributions import read_installed
from nbslim.analyzer.existing import find_environment
from nbslim.analyzer.types import Closure, Link, NeededImport, Notebook, Place, Requirements
from nbslim.analyzer.undeclared import undeclared_imports
from uv import find_uv_bin


@pytest.fixture
def install(tmp_path):
    """Write a distribution: its modules with their text, and what it declares to require."""

    def install(name, modules, requires=()):
        files = {f"{module}.py": text for module, text in modules.items()}
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        headers = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {one}" for one in requires)]
        (info / "METADATA").write_text("\n".join(headers) + "\n")
        for file, text in files.items():
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_text(text)
        (info / "RECORD").write_text("\n".join(f"{file},," for file in files))

    return install


@pytest.fixture
def undeclared(install, tmp_path):
    """Tell what `lib`, with this text, imports and does not declare; `six` and `told` are installed."""

    def undeclared(text, *modules, requires=("told",)):
        install("lib", {"lib": text}, requires)
        install("six", {"six": ""})
        install("told", {"told": ""})
        return undeclared_imports(read_installed([tmp_path]), modules or ["lib"])

    return undeclared


@pytest.mark.parametrize(
    "text",
    [
        "import six",
        "import six.moves as moves",
        "import os, six",
        "from six import (  # for (very) old Pythons\n    moves,\n    PY2,\n)",
        "from six import moves, \\\n    PY2",
        "x = 1\r\nimport six\r\n",
        "from six import *",
        '"""Text."""\nfrom __future__ import annotations\nimport six',
    ],
)
def test_import_at_the_left_margin_counts(undeclared, text):
    assert undeclared(text) == {"lib": {"six"}}


@pytest.mark.parametrize(
    "text",
    [
        "import told",
        "import os, sys",
        "import gone",
        "import lib",
        "try:\n    import six\nexcept ImportError:\n    six = None",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import six",
        "def late():\n    import six",
        "def first():\n    pass\n\nimport six",
        '"""An example:\n\nimport six\n"""',
        "import six as",
        "important = 1\nfrom_six = 2",
    ],
)
def test_what_is_declared_optional_late_or_no_import_does_not(undeclared, text):
    assert undeclared(text) == {}


def test_requirement_of_a_requirement_is_declared_enough(install, undeclared):
    install("between", {"between": ""}, ["six"])
    assert undeclared("import six", requires=["between"]) == {}


def test_modules_are_followed_through_packages_and_relative_imports(install, undeclared):
    modules = {"__init__": "from .inner import work\nfrom . import side", "inner": "from .. import deep"}
    modules |= {"side": "import six", "unused": "import told"}
    install("deep", {f"deep/{name}": text for name, text in modules.items()})
    assert undeclared("", "deep") == {"deep": {"six"}}


def test_package_is_run_before_its_module(install, undeclared):
    install("deep", {"deep/__init__": "import six", "deep/inner": ""})
    assert undeclared("", "deep.inner.name") == {"deep": {"six"}}


def test_other_distributions_are_followed_too(install, undeclared):
    install("other", {"other": "import six"})
    assert undeclared("import other", requires=["other"]) == {"other": {"six"}}


def test_undeclared_import_is_kept_with_the_evidence_of_its_importer(install, undeclared, tmp_path):
    undeclared("import six")
    install("six_needs", {"six_needs": ""})
    (tmp_path / "six-1.0.dist-info/METADATA").write_text(
        "Name: six\nVersion: 1.0\nRequires-Dist: six-needs\n"
    )
    why = (Link("predictor", Place(2, 1)), Link("lib", Place(1, 1)))
    closure = Closure({"predictor": Place(2, 1)}, (NeededImport("lib", "possible", why),), ())
    found = analyze(
        Notebook(Path("model.ipynb"), (), None), closure, read_installed([tmp_path]),
        python="3.11", requirements=Requirements((), "cell 1"),
    )  # fmt: skip
    serving = {kept.name: kept for kept in found.serving}
    assert sorted(serving) == ["lib", "six", "six-needs", "told"]
    six = serving["six"]
    assert (six.direct, six.required_by, six.undeclared_by) == (False, ("lib",), ("lib",))
    assert (six.certainty, six.why) == ("possible", why)
    assert serving["six-needs"].undeclared_by == ()


def test_two_thousand_modules_are_scanned_within_two_seconds(install, tmp_path):
    text = f"import lib.m{{}}\n{'x = [1, 2, 3]  # nothing to import from here' * 200}\n"
    install(
        "lib", {"lib/__init__": "import lib.m0", **{f"lib/m{n}": text.format(n + 1) for n in range(2000)}}
    )
    installed, start = read_installed([tmp_path]), time.process_time()
    assert undeclared_imports(installed, ["lib"]) == {}
    assert time.process_time() - start < 2


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    env, uv = tmp_path_factory.mktemp("environment") / "env", [find_uv_bin(), "--quiet"]
    subprocess.run([*uv, "venv", "--no-project", "--python", sys.executable, env], check=True)
    libraries = ["sklearn-pandas==2.2.0", "six", "statsmodels", "seaborn", "xgboost-cpu", "ipython"]
    subprocess.run([*uv, "pip", "install", "--python", env, *libraries], check=True)
    return read_installed(find_environment(env).site_packages)


def test_sklearn_pandas_imports_six_without_declaring_it(installed):
    assert undeclared_imports(installed, ["sklearn_pandas.DataFrameMapper"]) == {"sklearn-pandas": {"six"}}


@pytest.mark.parametrize(
    "module",
    [
        "sklearn.linear_model.LogisticRegression", "pandas", "matplotlib.pyplot", "statsmodels.formula.api",
        "xgboost", "seaborn", "scipy.stats", "numpy.linalg", "IPython.display",
    ],
)  # fmt: skip
def test_libraries_that_declare_what_they_import_bring_nothing_more(installed, module):
    assert undeclared_imports(installed, [module]) == {}
