"""Loading a bundle makes the changes again that cells made, before anything else is loaded."""

import pickle
import sys

import cloudpickle
import pytest
from nbslim.runtime.bundle import load_bundle
from nbslim.runtime.effects import Effect
from nbslim.runtime.replay import replay

pytestmark = pytest.mark.usefixtures("unchanged_path")


def changing(source):
    """Return a function of the notebook whose body is `source`."""
    names = {"__name__": "__main__"}
    exec(f"def change():\n    {source}", names)
    return names["change"]


@pytest.fixture
def kit(monkeypatch):
    """A library with a state."""
    module = type(sys)("kit")
    module.steps = []
    monkeypatch.setitem(sys.modules, "kit", module)
    return module


class Loaded:
    def __reduce__(self):
        return changing("import kit; kit.steps.append('loaded')"), ()


def test_changes_are_made_in_order_before_the_rest_is_loaded(kit):
    effects = [Effect(changing(f"import kit; kit.steps.append({number})")) for number in (1, 2)]
    pickled = cloudpickle.dumps({"effects": effects, "predictor": Loaded()})
    assert kit.steps == []
    pickle.loads(pickled)
    assert kit.steps == [1, 2, "loaded"]


def test_what_a_change_holds_is_what_the_predictor_holds(kit):
    names = {"__name__": "__main__", "shared": []}
    exec("import kit\ndef change(): kit.seen = shared\ndef predictor(x): return kit.seen is shared", names)
    pickled = cloudpickle.dumps({"effects": [Effect(names["change"])], "predictor": names["predictor"]})
    assert pickle.loads(pickled)["predictor"](0)


PRECISE = """
import decimal
def predictor(x):
    return str(decimal.Decimal(1) / x)
"""


def test_settings_of_the_loading_thread_hold_for_every_request(bundle):
    effect = Effect(changing("import decimal; decimal.setcontext(decimal.Context(prec=4))"))
    names = {"__name__": "__main__"}
    exec(PRECISE, names)
    pickled = cloudpickle.dumps({"effects": [effect], "predictor": names["predictor"]})
    folder = bundle(pickled, ({"input": 3, "answer": "0.3333"},))
    import decimal

    with decimal.localcontext():
        loaded = load_bundle(folder)
        assert replay(loaded).equal == 1
