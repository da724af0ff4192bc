"""Line magics that run code or change the environment are Python that does the same."""

import ast

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.magics import to_python
from nbslim.analyzer.types import Cell, Notebook


def modules(tmp_path, *sources):
    cells = (Cell(number, source, to_python(source).python) for number, source in enumerate(sources, start=1))
    return [
        needed.module for needed in find_closure(Notebook(tmp_path / "a.ipynb", tuple(cells), None)).imports
    ]


@pytest.mark.parametrize(
    ("line", "statement"),
    [
        ("%time --no-raise-error x = f()", "x = f()"),
        ("%time -x", "-x"),
        ("%prun -l 10 -s cumtime x = f()", "x = f()"),
        ("%memit -r3 x = f()", "x = f()"),
        ("%lprun -f f -f g.h f()", "f()"),
        ("%env A=b c", "__import__('os').environ['A'] = 'b c'"),
        ("%env A b=c", "get_ipython().run_line_magic('env', 'A b=c')"),
        ("%set_env A b c", "__import__('os').environ['A'] = 'b c'"),
        ("%env A={b}/c", "__import__('os').environ['A'] = f'{b}/c'"),
        ("%env A={", "__import__('os').environ['A'] = '{'"),
        ("x = %env A", "x = __import__('os').environ['A']"),
        ("%env", "get_ipython().run_line_magic('env', '')"),
        ("%cd data", "__import__('os').chdir('data')"),
        ("%cd -", "get_ipython().run_line_magic('cd', '-')"),
        ("%cd ~/data", "get_ipython().run_line_magic('cd', '~/data')"),
        ("%aimport a, b.c", "import a, b.c"),
        ("%aimport -a", "get_ipython().run_line_magic('aimport', '-a')"),
        ("x = %timeit -o f()", "x = get_ipython().run_line_magic('timeit', '-o f()')"),
        ("é = %time f('é')", "é = f('é')"),
    ],
)
def test_magic_becomes_a_statement(line, statement):
    assert to_python(line).python == statement
    assert to_python(f"if x:\n    {line}\n").python == f"if x:\n    {statement}\n"


def test_magic_in_a_function_stays_a_call_of_ipython(tmp_path):
    source = "def predictor(x):\n    %time y = x\n    return y"
    assert to_python(source).python == source.replace(
        "%time y = x", "get_ipython().run_line_magic('time', 'y = x')"
    )
    with pytest.raises(NotebookError, match=r"^a\.ipynb, cell 1, line 2: get_ipython\(\) is not there"):
        modules(tmp_path, source)


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%%timeit -n 1 -r1\nx = 1\n!ls", "class __timeit__:\n x = 1\n get_ipython().system('ls')"),
        ("%%timeit import a; b = 1\nx = b", "class __timeit__:\n import a; b = 1; x = b"),
        ("%%timeit import a\nfor x in y:\n    pass", "class __timeit__:\n for x in y:\n     pass"),
        ("%%timeit\n# nothing", "\n# nothing"),
        ("%%timeit\nx = (", "\nx = ("),
        ("%%timeit", ""),
        ("%timeit -n 10 x = f()", "class __timeit__: x = f()"),
        ("%timeit for a in b: pass", "get_ipython().run_line_magic('timeit', 'for a in b: pass')"),
    ],
)
def test_what_timeit_runs_has_a_scope_of_its_own(source, python):
    assert to_python(source).python == python


def test_what_timeit_binds_is_not_what_is_served(tmp_path):
    cells = [
        "import json, csv",
        "tool = json",
        "%%timeit\ntool = csv",
        "%timeit tool = csv",
        "predictor = lambda x: tool",
    ]
    assert modules(tmp_path, *cells) == ["json"]


def test_pylab_binds_what_it_imports():
    names = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(to_python("%pylab inline").python))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
    }
    assert names == {"numpy", "matplotlib", "pylab", "mlab", "pyplot", "*"}
    assert "*" not in to_python("%pylab --no-import-all").python


def test_pylab_brings_numpy_and_matplotlib(tmp_path):
    assert modules(tmp_path, "%pylab inline", "def predictor(x): return np.sum(x)") == ["numpy"]
    assert {"numpy", "matplotlib.pylab"} <= set(modules(tmp_path, "%pylab", "predictor = lambda x: sin(x)"))
