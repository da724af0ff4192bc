"""Changes that no pickle carries: found where serving depends on them, and nowhere else."""

import pytest
from cells import notebook_of
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.hidden import ATTRIBUTES, EFFECTS, RANDOM, VARIABLES
from nbslim.analyzer.types import Place


@pytest.fixture
def closure():
    def closure(*cells):
        return find_closure(notebook_of(*cells))

    return closure


SERVES_PANDAS = "def predictor(x): return pd.Series(x).sum()"
CHANGES = {
    # what a cell does to pandas, imported as pd: what that changes
    "pd.DataFrame.twice = lambda df: df * 2": "pandas.DataFrame.twice",
    "setattr(pd.Series, 'twice', lambda s: s * 2)": "pandas.Series",
    "pd.set_option('mode.copy_on_write', True)": "pandas.set_option",
    "before = pd.set_option('mode.copy_on_write', True)": "pandas.set_option",
    "pd.options.mode.copy_on_write = True": "pandas.options.mode.copy_on_write",
    "pd.options.display.extra.append(1)": "pandas.options.display.extra.append",
    "Frame = pd.DataFrame\nFrame.twice = 1": "pandas.DataFrame.twice",
    "del pd.Series.sum": "pandas.Series.sum",
    "@pd.api.register_accessor('own')\nclass Own: pass": "pandas.api.register_accessor",
    "def setup():\n    pd.set_option('a', 1)\nsetup()": "pandas.set_option",
    "for name in ('a', 'b'):\n    setattr(pd.Series, name, 1)": "pandas.Series",
}


@pytest.mark.parametrize("code", CHANGES)
def test_change_of_a_library_that_serves_is_an_effect(code, closure):
    (effect,) = closure("import pandas as pd", code, SERVES_PANDAS).effects
    assert (effect.changes, effect.place.cell) == (CHANGES[code], 2)
    assert effect.replay


@pytest.mark.parametrize("code", CHANGES)
def test_change_of_a_library_that_does_not_serve_is_none(code, closure):
    assert closure("import pandas as pd", code, "def predictor(x): return x").effects == ()


NO_CHANGES = [
    "pd.DataFrame([1]).set_index('a')",
    "new = pd.use_nothing(1)",
    "pd.insert(1, 2)",
    "x = pd.read_csv('a.csv')",
    "import warnings\nwarnings.filterwarnings('ignore', category=pd.Warning)",
    "def never_called():\n    pd.set_option('a', 1)",
]


@pytest.mark.parametrize("code", NO_CHANGES)
def test_what_only_looks_like_a_change_is_none(code, closure):
    assert closure("import pandas as pd", code, SERVES_PANDAS).effects == ()


def test_change_inside_a_loop_that_does_more_cannot_be_made_again(closure):
    loop = "for n in range(3):\n    total = fit(n)\n    pd.set_option('a', n)"
    (effect,) = closure("import pandas as pd\ndef fit(n): return n", loop, SERVES_PANDAS).effects
    assert (effect.place, effect.replay) == (Place(2, 3), None)


def test_change_in_a_function_that_does_more_cannot_be_made_again(closure):
    train = "def train():\n    pd.set_option('a', 1)\n    return 5\nn = train()"
    (effect,) = closure("import pandas as pd", train, SERVES_PANDAS).effects
    assert effect.replay is None


def test_what_a_change_brings_is_possible_and_what_stands_beside_it_is_not_needed(closure):
    change = "def setup():\n    pd.Series.twice = tool.twice\n    return other.thing()\nsetup()"
    found = closure("import pandas as pd, tool, other", change, SERVES_PANDAS)
    assert {needed.module: needed.certainty for needed in found.imports} == {
        "pandas": "certain",
        "tool": "possible",
    }


@pytest.mark.parametrize("module", EFFECTS)
def test_import_for_its_effect_on_a_library_is_one(module, closure):
    library, attribute = EFFECTS[module]
    used = f"lib.Thing().{attribute}" if attribute else "lib.Thing()"
    cells = f"import {library} as lib\nimport {module} as extra", f"def predictor(x): return {used}"
    (effect,) = closure(*cells).effects
    assert (effect.changes, effect.replay) == (module, f"import {module} as extra")
    assert module in {needed.module for needed in closure(*cells).imports}


@pytest.mark.parametrize("attribute", sorted(ATTRIBUTES))
def test_import_that_gives_an_attribute_is_no_effect_where_nobody_uses_it(attribute, closure):
    (module,) = (module for module, (_, given) in EFFECTS.items() if given == attribute)
    library, _ = EFFECTS[module]
    cells = f"import {library} as lib\nimport {module} as extra", "def predictor(x): return lib.Thing()"
    assert closure(*cells).effects == ()


@pytest.mark.parametrize("name", sorted(RANDOM))
def test_seed_is_an_effect_where_serving_draws(name, closure):
    cells = "import numpy as np\nnp.random.seed(0)", f"def predictor(x): return np.random.{name}(x)"
    assert [effect.changes for effect in closure(*cells).effects] == ["numpy.random.seed"]


def test_seed_is_none_where_serving_draws_nothing(closure):
    assert (
        closure("import numpy as np\nnp.random.seed(0)", "def predictor(x): return np.sum(x)").effects == ()
    )


def test_variable_is_an_effect_where_serving_reads_it(closure):
    writes = "import os\nos.environ['LIMIT'] = '3'\nos.environ['SECRET'] = 'x'"
    found = closure(writes, "def predictor(x): return x < float(os.environ['LIMIT'])")
    assert [effect.what for effect in found.effects] == ["os.environ['LIMIT']"]
    assert [(need.name, need.place) for need in found.environment_variables] == [("LIMIT", Place(2, 1))]


@pytest.mark.parametrize("start", sorted(VARIABLES))
def test_variable_is_an_effect_where_a_library_reads_it(start, closure):
    for library in VARIABLES[start]:
        writes = f"import os, {library} as lib\nos.environ.setdefault('{start}_X', '1')"
        assert len(closure(writes, "def predictor(x): return lib.f(x)").effects) == 1
        assert closure(writes, "def predictor(x): return x").effects == ()


def test_variable_that_a_magic_sets_is_an_effect(closure):
    found = closure("import os\n%env LIMIT=3", "def predictor(x): return os.getenv('LIMIT')")
    assert [effect.changes for effect in found.effects] == ["os.environ"]
