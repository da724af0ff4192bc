"""How names in a pickle are reached, and in whose objects they lie."""

import decimal
import sys
import textwrap
import types

import cloudpickle
import pytest
from nbslim.analyzer.pickles import read_pickle


@pytest.fixture
def pickled(monkeypatch):
    """Run cells in a module called `__main__`, and give how the pickle of its `predictor` reaches each name."""

    def pickled(source, name="predictor"):
        main = types.ModuleType("__main__")
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(textwrap.dedent(source), main.__dict__)
        references = read_pickle(cloudpickle.dumps({name: main.__dict__[name]})).references
        return {str(one.found): one for one in references}

    return pickled


@pytest.fixture
def library(monkeypatch):
    """A library whose objects hold whatever one puts into them."""
    made = types.ModuleType("box")
    exec("class Box:\n    def __init__(self, **more): self.__dict__.update(more)", made.__dict__)
    monkeypatch.setitem(sys.modules, "box", made)
    return made


PATHS = {
    "a global": ("model = D(1)\ndef predictor(x): return model", ["predictor", "model"]),
    "an attribute": (
        "class M: pass\nmodel = M()\nmodel.fig_ = D(1)\ndef predictor(x): return model",
        ["predictor", "model", ".fig_"],
    ),
    "an item": (
        "model = {'k': [0, D(1)]}\ndef predictor(x): return model",
        ["predictor", "model", "['k']", "[1]"],
    ),
    "a place in a list": (
        "model = [[D(1)]]\ndef predictor(x): return model",
        ["predictor", "model", "[0]", "[0]"],
    ),
    "a helper": (
        "def helper(x): return D(x)\ndef predictor(x): return helper(x)",
        ["predictor", "helper", "D"],
    ),
    "a method": (
        "class P:\n    def __call__(self, x): return D(x)\npredictor = P()",
        ["predictor", ".__call__", "D"],
    ),
    "a partial": (
        "import functools\ndef f(y, x): return x\npredictor = functools.partial(f, D(1))",
        ["predictor"],
    ),
    "a wrapped function": (
        """
        import functools
        def deco(f):
            @functools.wraps(f)
            def inner(x): return 1
            return inner
        @deco
        def predictor(x): return D(x)
        """,
        ["predictor", ".__wrapped__", "D"],
    ),
}


@pytest.mark.parametrize("kind", PATHS)
def test_path_is_written_as_python_would(pickled, kind):
    source, path = PATHS[kind]
    found = pickled("from decimal import Decimal as D\n" + textwrap.dedent(source))["decimal.Decimal"]
    assert list(found.path) == path


def test_names_inside_a_librarys_object_are_told_from_those_beside_it(pickled, library):
    source = "import box\nfrom decimal import Decimal as D\nmodel = box.Box(x=D(1))\ndef predictor(x): return model"
    found = pickled(source)
    assert found["decimal.Decimal"].inside == {"box"}
    assert found["decimal.Decimal"].path == ("predictor", "model", ".x")
    assert found["box.Box"].inside == frozenset()


def test_the_way_outside_of_all_libraries_counts_however_long_it_is(pickled, library):
    source = """
        import box
        from decimal import Decimal as D
        model = box.Box(x=D(1))
        far = {'a': {'b': {'c': D(2)}}}
        def predictor(x): return model, far
        """
    assert pickled(source)["decimal.Decimal"].inside == frozenset()


def test_objects_of_python_and_of_the_notebook_are_no_librarys(pickled):
    source = """
        import collections, functools
        from decimal import Decimal as D
        class M: pass
        model = M()
        model.x = collections.OrderedDict(a=functools.partial(D, 1))
        def predictor(x): return model
        """
    assert pickled(source)["decimal.Decimal"].inside == frozenset()


def test_cloudpickle_counts_where_the_notebook_itself_names_it(pickled):
    assert "cloudpickle" not in {one.partition(".")[0] for one in pickled("def predictor(x): return x")}
    assert "cloudpickle" in pickled("import cloudpickle\ndef predictor(x): return cloudpickle.dumps(x)")


def test_cycles_end(pickled):
    source = "from decimal import Decimal as D\nmodel = [D(1)]\nmodel.append(model)\ndef predictor(x): return model"
    assert pickled(source)["decimal.Decimal"].path == ("predictor", "model", "[0]")


def test_a_long_pickle_of_data_keeps_no_more_than_a_name(pickled):
    data = cloudpickle.dumps({"predictor": [b"x" * 30_000_000, list(range(100_000)), decimal.Decimal(1)]})
    (reference,) = read_pickle(data).references
    assert str(reference.found) == "decimal.Decimal"
