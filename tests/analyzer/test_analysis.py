from pathlib import Path

import pytest
from nbslim.analyzer.analysis import analyze
from nbslim.analyzer.distributions import Installed
from nbslim.analyzer.metadata import Distribution
from nbslim.analyzer.types import (
    Closure,
    Link,
    NeededImport,
    Notebook,
    Origin,
    Place,
    Requirements,
)

PREDICTOR = Link("predictor", Place(5, 3))
MODEL = Link("model", Place(3, 2))


def installed(**requires):
    """Name distributions with what each requires; each provides the module of its name."""
    found = {
        name: Distribution(name, "1.0", Path("/nowhere"), (f"{name}/__init__.py",), tuple(needs))
        for name, needs in requires.items()
    }
    return Installed(found, "3.11")


def needed(module, certainty="certain", *through):
    last = Link(module.partition(".")[0], Place(1, 1))
    return NeededImport(module, certainty, (PREDICTOR, *through, last))


@pytest.fixture
def analysis():
    def analysis(imports, environment, *, local=(), specifiers=(), warnings=((), (), ())):
        notebook = Notebook(Path("/home/me/model.ipynb"), (), "3.11", tuple(warnings[0]))
        closure = Closure({"predictor": Place(5, 3)}, tuple(imports), tuple(local), tuple(warnings[1]))
        requirements = Requirements(tuple(specifiers), "cell 1", tuple(warnings[2]))
        return analyze(notebook, closure, environment, python="3.11", requirements=requirements)

    return analysis


def test_owner_of_an_import_serves_and_the_rest_is_dropped(analysis):
    found = analysis([needed("a.cluster"), needed("a")], installed(b=[], a=[], c=[]))
    (kept,) = found.serving
    assert (kept.name, kept.version, kept.imports, kept.direct) == ("a", "1.0", ("a",), True)
    assert [(d.name, d.version, d.bytes) for d in found.dropped] == [("b", "1.0", 0), ("c", "1.0", 0)]
    assert (found.notebook, found.python) == ("model.ipynb", "3.11")


def test_required_distribution_serves_with_the_chain_of_its_requirer(analysis):
    first, second, third = analysis([needed("a")], installed(a=["b"], b=["c"], c=[], d=["b"])).serving
    assert (second.imports, second.direct, second.required_by) == ((), False, ("a",))
    assert third.required_by == ("b",)
    assert first.why == second.why == third.why


def test_shortest_chain_of_the_most_certain_import_is_told(analysis):
    imports = [
        needed("a", "possible"),
        needed("a.x", "certain", MODEL, MODEL),
        needed("a.y", "certain", MODEL),
    ]
    (kept,) = analysis(imports, installed(a=[])).serving
    assert kept.certainty == "certain"
    assert [link.name for link in kept.why] == ["predictor", "model", "a"]


def test_what_is_imported_has_the_certainty_of_its_own_evidence(analysis):
    found = analysis([needed("a"), needed("b", "possible", MODEL)], installed(a=["b"], b=[]))
    second = found.serving[1]
    assert (second.name, second.direct, second.certainty) == ("b", True, "possible")
    assert second.required_by == ("a",)
    assert [link.name for link in second.why] == ["predictor", "model", "b"]


def test_requirement_is_as_certain_as_its_most_certain_requirer(analysis):
    environment = installed(a=["x", "y"], b=["y", "a2"], a2=[], x=["a2"], y=[])
    found = analysis(
        [needed("a", "possible"), needed("b", "certain", MODEL), needed("a2", "possible")], environment
    )
    assert {kept.name: kept.certainty for kept in found.serving} == {
        "a": "possible",
        "x": "possible",
        "b": "certain",
        "y": "certain",
        "a2": "possible",
    }
    by_name = {kept.name: kept for kept in found.serving}
    assert by_name["y"].why == by_name["b"].why
    assert by_name["a2"].imports == ("a2",)
    assert by_name["a2"].why[-1].name == "a2"
    assert by_name["a2"].required_by == ("b", "x")


def test_certainty_is_handed_on_by_an_import_that_is_possible_itself(analysis):
    found = analysis([needed("a"), needed("b", "possible")], installed(a=["b"], b=["c"], c=[]))
    assert [kept.certainty for kept in found.serving] == ["certain", "possible", "certain"]
    assert found.serving[2].why == found.serving[0].why


def test_extras_that_the_user_declared_count(analysis):
    environment = installed(a=['b; extra == "fast"'], b=[], c=[])
    found = analysis([needed("a")], environment, specifiers=["A[fast]>=1", "c", "not a requirement"])
    assert [kept.name for kept in found.serving] == ["a", "b"]


@pytest.mark.parametrize("module", ["json.decoder", "__future__", "distutils.core", "helpers.text", "single"])
def test_standard_library_and_local_modules_need_no_distribution(analysis, module):
    found = analysis(
        [needed(module)], installed(a=[]), local=["helpers/__init__.py", "helpers/text.py", "single.py"]
    )
    assert found.serving == ()
    assert found.warnings == ()


def test_removed_standard_module_may_come_from_a_distribution(analysis):
    assert analysis([needed("audioop")], installed(audioop=[])).serving[0].name == "audioop"


def test_missing_module_is_a_warning_with_its_place(analysis):
    why = (PREDICTOR, Link("numpyy", Place(3, 5)))
    missing = [NeededImport(module, "certain", why) for module in ("numpyy", "numpyy.array")]
    found = analysis(missing, installed(a=[]))
    assert found.warnings == ("model.ipynb, cell 3, line 5: no installed distribution provides numpyy",)


def test_import_that_may_fail_may_be_missing(analysis):
    missing = NeededImport("numpyy", "certain", (PREDICTOR,), optional=True)
    assert analysis([missing], installed()).warnings == ()


def test_declared_one_of_several_that_install_a_module_is_meant(analysis):
    rivals = {
        name: Distribution(name, "1.0", Path("/nowhere"), ("cv2/__init__.py",), ())
        for name in ("cv", "cv-gui")
    }
    imports = [needed("cv2.data"), needed("cv2")]
    found = analysis(imports, Installed(rivals, "3.11"), specifiers=["CV_gui>=1"])
    assert [kept.name for kept in found.serving] == ["cv-gui"]
    (warning,) = found.warnings
    assert warning.startswith("model.ipynb, cell 1, line 1: cv and cv-gui all install cv2")
    assert "cv-gui is taken" in warning


def test_what_is_edited_in_place_is_a_warning_that_names_the_folder(analysis):
    origin = Origin("file:///home/me/my%20kit", editable=True)
    kit = Distribution("kit", "1.0", Path("/nowhere"), ("kit.py",), (), origin=origin)
    found = analysis([needed("kit")], Installed({"kit": kit}, "3.11"))
    assert found.serving[0].origin == origin
    (warning,) = found.warnings
    assert "kit is used from the folder /home/me/my kit" in warning


def test_warnings_are_joined_in_order_and_once(analysis):
    found = analysis([], installed(), warnings=(["b", "a"], ["c", "a"], ["d", "b"]))
    assert found.warnings == ("b", "a", "c", "d")
