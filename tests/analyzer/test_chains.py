"""The evidence: every chain that is as short and as sure as the shortest, and no other."""

import pytest
from cells import notebook_of
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.evidence import MOST_CHAINS


@pytest.fixture
def chains():
    def chains(module, *cells):
        closure = find_closure(notebook_of(*cells))
        (needed,) = (needed for needed in closure.imports if needed.module == module)
        assert needed.why == needed.chains[0]
        return {" ".join(f"{link.name}:{link.place.cell}" for link in chain) for chain in needed.chains}

    return chains


def test_all_shortest_chains_are_told(chains):
    cells = (
        "import numpy as np",
        "def f(x): return np.sum(x)\ndef g(x): return np.max(x)",
        "def predictor(x): return f(x) + g(x)",
    )
    assert chains("numpy", *cells) == {"predictor:3 f:2 np:1", "predictor:3 g:2 np:1"}


def test_longer_chain_is_not_told(chains):
    cells = "import numpy as np", "def f(x): return np.sum(x)", "def predictor(x): return f(x) + np.max(x)"
    assert chains("numpy", *cells) == {"predictor:3 np:1"}


def test_surer_chain_is_told_though_it_is_longer(chains):
    cells = (
        "import numpy as np",
        "a = np.zeros(3)\ndef f(x): return g(x)\ndef g(x): return np.sum(x)",
        "def predictor(x): return f(x) + a",
    )
    assert chains("numpy", *cells) == {"predictor:3 f:2 g:2 np:1"}


def test_each_import_of_the_same_module_has_its_chain(chains):
    cells = "def f(x):\n    import numpy\ndef g(x):\n    import numpy", "def predictor(x): return f(x), g(x)"
    assert chains("numpy", *cells) == {"predictor:2 f:1 numpy:1", "predictor:2 g:1 numpy:1"}


def test_both_entry_points_have_their_chains(chains):
    cells = "import numpy as np", "def predictor(x): return np.sum(x)", "def validator(x): return np.any(x)"
    assert chains("numpy", *cells) == {"predictor:2 np:1", "validator:3 np:1"}


def test_updates_of_a_name_make_a_chain_no_longer(chains):
    cells = (
        "import numpy as np\na = []\na.append(1)\na.append(np.zeros(1))\na.append(2)",
        "def predictor(x): return a",
    )
    assert chains("numpy", *cells) == {"predictor:2 a:1 np:1"}


def test_diamonds_do_not_make_more_chains_than_anybody_reads(chains):
    layers = [
        f"def a{n}(x): return a{n - 1}(x) + b{n - 1}(x)\ndef b{n}(x): return a{n}(x)" for n in range(1, 30)
    ]
    first = "import numpy as np\ndef a0(x): return np.sum(x)\ndef b0(x): return np.max(x)"
    found = chains("numpy", first, *layers, "def predictor(x): return a29(x) + b29(x)")
    assert 1 < len(found) <= MOST_CHAINS
