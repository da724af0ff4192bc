import json
from dataclasses import replace

import pytest
from nbslim.analyzer.report import to_json, to_requirements, to_text
from nbslim.analyzer.types import (
    Analysis,
    CellImport,
    DroppedDistribution,
    Link,
    Need,
    Origin,
    Place,
    ServingDistribution,
    ServingEffect,
)

WHY = (Link("predictor", Place(5, 3)), Link("model", Place(3, 2)), Link("sklearn", Place(1, 1)))
ANALYSIS = Analysis(
    notebook="model.ipynb",
    python="3.11",
    entry_points={"predictor": Place(5, 3), "validator": Place(6, 1)},
    serving=(
        ServingDistribution(
            "scikit-learn",
            "1.5.2",
            ("sklearn",),
            "certain",
            direct=True,
            required_by=(),
            why=WHY,
            bytes=38_400_000,
            chains=(WHY,),
        ),
        ServingDistribution(
            "scipy",
            "1.14.1",
            (),
            "possible",
            direct=False,
            required_by=("scikit-learn",),
            why=WHY,
            bytes=9_940,
        ),
    ),
    dropped=(
        DroppedDistribution("jedi", "0.19", 999_999, "brought by Jupyter's kernel"),
        DroppedDistribution("pandas", "2.2.3", 61_600_001, "imported (cell 2, line 1)", ("pandas",)),
    ),
    warnings=("cell 3, line 5: star import",),
    imports=(CellImport("pandas", Place(2, 1), "distribution", "pandas"),),
    effects=(
        ServingEffect(
            "np.seterr(all='raise')", Place(2, 4), "numpy.seterr", "certain", "np.seterr(all='raise')"
        ),
        ServingEffect("pd.options.mode = x", Place(3, 9), "pandas.options.mode", "possible", None),
    ),
    files=(Need("prices.csv", Place(5, 4), "certain"),),
    environment_variables=(Need("LIMIT", Place(5, 5), "certain"),),
    programs=(Need("dot", Place(5, 6), "possible"),),
    opaque=(Need("eval()", Place(5, 7), "certain"),),
    local_files=("helper.py",),
)


def test_json_has_the_documented_keys():
    assert to_json(ANALYSIS) == {
        "notebook": "model.ipynb",
        "python": "3.11",
        "entry_points": {"predictor": {"cell": 5, "line": 3}, "validator": {"cell": 6, "line": 1}},
        "serving": [
            {
                "name": "scikit-learn",
                "version": "1.5.2",
                "imports": ["sklearn"],
                "certainty": "certain",
                "direct": True,
                "required_by": [],
                "undeclared_by": [],
                "why": [
                    {"name": "predictor", "cell": 5, "line": 3},
                    {"name": "model", "cell": 3, "line": 2},
                    {"name": "sklearn", "cell": 1, "line": 1},
                ],
                "chains": [to_json(ANALYSIS)["serving"][0]["why"]],
                "bytes": 38_400_000,
            },
            {
                "name": "scipy",
                "version": "1.14.1",
                "imports": [],
                "certainty": "possible",
                "direct": False,
                "required_by": ["scikit-learn"],
                "undeclared_by": [],
                "why": to_json(ANALYSIS)["serving"][0]["why"],
                "chains": [],
                "bytes": 9_940,
            },
        ],
        "dropped": [
            {
                "name": "jedi",
                "version": "0.19",
                "imports": [],
                "reason": "brought by Jupyter's kernel",
                "bytes": 999_999,
            },
            {
                "name": "pandas",
                "version": "2.2.3",
                "imports": ["pandas"],
                "reason": "imported (cell 2, line 1)",
                "bytes": 61_600_001,
            },
        ],
        "imports": [
            {"module": "pandas", "cell": 2, "line": 1, "kind": "distribution", "distribution": "pandas"}
        ],
        "effects": [
            {
                "what": "np.seterr(all='raise')",
                "cell": 2,
                "line": 4,
                "changes": "numpy.seterr",
                "certainty": "certain",
                "replayed": True,
            },
            {
                "what": "pd.options.mode = x",
                "cell": 3,
                "line": 9,
                "changes": "pandas.options.mode",
                "certainty": "possible",
                "replayed": False,
            },
        ],
        "files": [{"path": "prices.csv", "cell": 5, "line": 4, "certainty": "certain"}],
        "environment_variables": [{"name": "LIMIT", "cell": 5, "line": 5, "certainty": "certain"}],
        "programs": [{"name": "dot", "cell": 5, "line": 6, "certainty": "possible"}],
        "opaque": [{"what": "eval()", "cell": 5, "line": 7, "certainty": "certain"}],
        "local_files": ["helper.py"],
        "warnings": ["cell 3, line 5: star import"],
    }


def test_json_survives_json():
    assert json.loads(json.dumps(to_json(ANALYSIS))) == to_json(ANALYSIS)


def test_requirements_are_pinned_and_sorted():
    turned = replace(ANALYSIS, serving=ANALYSIS.serving[::-1])
    assert to_requirements(turned) == "scikit-learn==1.5.2\nscipy==1.14.1\n"


def test_requirement_of_no_index_is_named_with_its_address():
    origin = Origin("https://a.org/scikit.git", vcs="git", commit="12ab")
    kept = replace(ANALYSIS.serving[0], origin=origin)
    assert to_requirements(replace(ANALYSIS, serving=(kept,))) == (
        "scikit-learn @ git+https://a.org/scikit.git@12ab\n"
    )


def test_what_is_edited_in_place_is_a_comment_that_names_its_folder():
    kept = replace(ANALYSIS.serving[0], origin=Origin("file:///home/me/scikit", editable=True))
    (line,) = to_requirements(replace(ANALYSIS, serving=(kept,))).splitlines()
    assert line.startswith("#")
    assert line.endswith("file:///home/me/scikit")


def test_local_version_label_is_kept():
    kept = replace(ANALYSIS.serving[0], version="2.1.0+cpu")
    assert to_requirements(replace(ANALYSIS, serving=(kept,))) == "scikit-learn==2.1.0+cpu\n"


def test_text_tells_all():
    assert to_text(ANALYSIS) == (
        "model.ipynb, Python 3.11\n"
        "entry points: predictor (cell 5, line 3), validator (cell 6, line 1)\n"
        "\n"
        "kept\n"
        "  certain: code that serves names it; possible: only a value's history does, and packing settles it\n"
        "  scikit-learn  1.5.2   38.4 MB  certain\n"
        "    predictor (cell 5, line 3) → model (cell 3, line 2) → sklearn (cell 1, line 1)\n"
        "  scipy         1.14.1   9.9 kB  possible\n"
        "    required by scikit-learn\n"
        "\n"
        "dropped\n"
        "  pandas  2.2.3  61.6 MB  imported (cell 2, line 1)\n"
        "  jedi    0.19    1.0 MB  brought by Jupyter's kernel\n"
        "\n"
        "kept 38.4 MB in 2 distributions, dropped 62.6 MB in 2 distributions: 38.0 % is kept\n"
        "\n"
        "serving also needs\n"
        "  file prices.csv (cell 5, line 4)\n"
        "  environment variable LIMIT (cell 5, line 5)\n"
        "  program dot (cell 5, line 6)\n"
        "  cannot be followed: eval() (cell 5, line 7)\n"
        "  module beside the notebook helper.py\n"
        "  effect np.seterr(all='raise') (cell 2, line 4)\n"
        "  effect pd.options.mode = x (cell 3, line 9): it cannot be made again by itself, so that packing\n"
        "    refuses it\n"
        "\n"
        "warning: cell 3, line 5: star import\n"
    )


def test_certainty_is_explained_where_it_differs():
    assert "certain: code" not in to_text(replace(ANALYSIS, serving=ANALYSIS.serving[:1]))


def test_nothing_kept_and_nothing_dropped_is_said():
    text = to_text(replace(ANALYSIS, serving=(), dropped=(), warnings=()))
    assert "kept: nothing but Python itself\n" in text
    assert "dropped: nothing\n" in text
    assert "kept 0.0 kB in 0 distributions, dropped 0.0 kB in 0 distributions\n" in text


@pytest.fixture
def long():
    reason = "required only by " + ", ".join(f"distribution-{n}" for n in range(40))
    many = tuple(DroppedDistribution(f"distribution-{n}", "1.0", n * 1000, reason) for n in range(80))
    why = tuple(Link(f"some_rather_long_name_{n}", Place(n, 100)) for n in range(1, 20))
    kept = replace(ANALYSIS.serving[0], why=why)
    entries = {f"entry_point_{n}": Place(n, n) for n in range(1, 12)}
    return replace(ANALYSIS, serving=(kept,), dropped=many, warnings=("word " * 50,), entry_points=entries)


def test_text_stays_within_100_columns(long):
    assert max(map(len, to_text(long).splitlines())) <= 100


def test_links_stay_whole_when_a_chain_is_wrapped(long):
    assert all(f"{link.name} ({link.place})" in to_text(long) for link in long.serving[0].why)


def test_long_tail_of_the_dropped_is_shortened(long):
    lines = to_text(long).splitlines()
    start = lines.index("dropped")
    assert lines[start + 1].split()[:4] == ["distribution-79", "1.0", "79.0", "kB"]
    assert lines[start + 1].endswith("required only by distribution-0, distribution-1, distribution-2, …")
    assert lines[start + 16].startswith(
        "  and 65 smaller ones, 2.1 MB together: distribution-64, distribution-63,"
    )
    assert "distribution-0" in to_text(long)
