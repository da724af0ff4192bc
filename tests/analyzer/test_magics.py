"""Cells with magics become Python that keeps its lines."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbslim.analyzer.magics import Written, to_python


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("", ""),
        ("\n\n", "\n\n"),
        ("x = 1\n\ny = 2\n", "x = 1\n\ny = 2\n"),
        ("\n\nx = 1", "\n\nx = 1"),
        ("  x = 1\n  y = 2", "x = 1\ny = 2"),
        (">>> x = 1\n>>> y = 2", "x = 1\ny = 2"),
        ("%%time\nx = 1", "\nx = 1"),
        ("\n%%time\n\n%%capture\nx = 1", "\n\n\n\nx = 1"),
        ("# a title\n\n%%time\nx = 1", "\n\n\nx = 1"),
        ("%%prun -q\n!ls\nx = 1", "\nget_ipython().system('ls')\nx = 1"),
        ("%%time", ""),
        ("%%time\r\nx = 1\r\n", "\nx = 1\r\n"),
        ("%%time?\nx = 1", "get_ipython().run_line_magic('pinfo', '%%time')\nx = 1"),
        ("%%R\nlibrary(x)", "\n"),
        ("%%script --no-raise-error false\nlibrary(x)", "\n"),
        ("%%python3\nimport numpy", "\n"),
        ("%%a_magic_of_an_extension\nx = 1", "\nx = 1"),
        ("%%a_magic_of_an_extension\nselect 1 from x", "\n"),
        ("%%bash\nls\necho x", "\n\n"),
        ("%%javascript\nalert('%s')\n", "\n\n"),
        ("%time model = fit()", "model = fit()"),
        ("if a:\n    %time b = f('x')\n", "if a:\n    b = f('x')\n"),
        ("y = %time f(1)", "y = f(1)"),
        ("%time for", "get_ipython().run_line_magic('time', 'for')"),
        ("/f x", "f(x)"),
        (",f a b", 'f("a", "b")'),
        (";f a b", 'f("a b")'),
        ("In [1]: x = 1\nIn [2]: %time y = f()", "x = 1\ny = f()"),
        ("x = 1\n\n%time y = f();", "x = 1\n\ny = f();"),
        ("\tx = 1\n\t%time y = f()", "x = 1\ny = f()"),
        ("files = !ls \\\n  *.csv\nx = 1", "files = get_ipython().getoutput('ls    *.csv')\n\nx = 1"),
        ("x = 0\n!a \\\n b\n%c \\\n d\ny = 1", None),
        ("np?\nx = 1", "get_ipython().run_line_magic('pinfo', 'np')\nx = 1"),
        ("matplotlib inline", "get_ipython().run_line_magic('matplotlib', 'inline')"),
        ("config is None", "config is None"),
    ],
)
def test_lines_keep_their_numbers(source, python):
    transformed = to_python(source).python
    assert transformed.count("\n") == source.count("\n")
    assert python is None or transformed == python
    assert python is not None or ast.parse(transformed).body[-1].lineno == 6


@pytest.mark.parametrize(
    "source",
    [
        "'%s' % 3",
        "x = a \\\n  % b",
        "x = ('%d'\n  % 3)",
        "'''\n%time x\n!ls\n'''",
        "5 %(3)",
        "x = 'a?'",
        "x = 1;",
        "await f()",
        "async with a as b:\n    async for c in b:\n        pass",
        "get_ipython().run_line_magic('time', 'x = 1')",
        "import numpy\r\nx = 1\r\n",
        "# !ls",
    ],
)
def test_python_is_not_touched(source):
    assert to_python(source).python == source


@pytest.mark.parametrize(
    "source",
    [
        "def (",
        "\0",
        "'''",
        "((((",
        "%",
        "%%",
        "!",
        "?",
        "%%%x",
        "%time",
        "\\",
        "x\r\ny",
        "\t\f\n%a",
        "é?",
        "\ufeffx",
        "\ud800\n%x",
    ]
    + [
        f"get_ipython().run_line_magic({arguments})"
        for arguments in ("", "x", "'time', x", "'time', 'a\\nb'")
    ],
)
def test_odd_input_does_not_raise(source):
    assert to_python(source).python.count("\n") == source.count("\n")


def test_more_magics_than_the_transformer_takes_leave_the_cell_as_it_is(monkeypatch):
    monkeypatch.setattr("IPython.core.inputtransformer2.TRANSFORM_LOOP_LIMIT", 2)
    assert to_python("!ls\n" * 3).python == "!ls\n" * 3


@pytest.mark.parametrize(
    ("source", "python"),
    [
        ("%%capture out\nx = 1", "out = get_ipython().run_cell_magic('capture', 'out', '')\nx = 1"),
        ("\n%%capture -e a\n%%time\nx", "\na = get_ipython().run_cell_magic('capture', '-e a', '')\n\nx"),
        (
            "%%bash --out a --err=b\nls",
            "a = b = get_ipython().run_cell_magic('bash', '--out a --err=b', '')\n",
        ),
        ("%%R -i x -o y,z\ny <- x", "y = z = get_ipython().run_cell_magic('R', '-i x -o y,z', '')\n"),
    ],
)
def test_names_that_a_cell_magic_binds_are_bound_in_its_line(source, python):
    assert to_python(source).python == python


def test_cell_in_a_compiled_language_is_left_to_be_reported():
    source = "%%cython\ndef f(x): return x"
    assert to_python(source).python == source


@pytest.mark.parametrize(
    ("source", "written"),
    [
        ("%%writefile a.py\nimport x\n", Written("a.py", "import x\n")),
        ("%%file 'my file.py'\n", Written("my file.py", "")),
        ("\n%%writefile -a a.py\ny = 1", Written("a.py", "y = 1", appended=True)),
        ("%%writefile a.py --append\ny = 1", Written("a.py", "y = 1", appended=True)),
        ("%%writefile\nx", None),
        ("%%writefile ''\nx", None),
        ("x = 1", None),
    ],
)
def test_written_file_is_reported(source, written):
    assert to_python(source).written == written


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("%run setup.py", "setup.py"),
        ("%run -i 'my setup.py' --flag", "my setup.py"),
        ("%run setup", "setup.py"),
        ("%run -p -D profile setup.py", "setup.py"),
        ("%run -m tools.setup flag", "tools/setup.py"),
        ("%run -z setup.py", None),
        ("%run other.ipynb", "other.ipynb"),
        ("%run", None),
        ("%runner setup.py", None),
        ("run = 'setup.py'", None),
    ],
)
def test_scripts_are_told_with_their_line(line, run):
    assert to_python(f"x = 1\n{line}").runs == (((run, 2),) if run else ())


def test_automagic_runs_a_script():
    assert to_python("run setup.py").runs == (("setup.py", 1),)


def test_installs_know_their_line():
    bash = "%%bash\npip install a \\\n  b\npip install c"
    assert to_python(bash).installs == (("a", 2), ("b", 2), ("c", 4))
    assert to_python("%%script bash\npip install a").installs == (("a", 2),)
    assert to_python("\n%%capture\nx = 1\n!pip install a\n%pip install b").installs == (("a", 4), ("b", 5))


PIECES = [
    *[
        "x = 1",
        "if x:",
        "    y = 2",
        "def f(x):",
        "    return x",
        "'''",
        "",
        "  ",
        "# c",
        "x = (",
        ")",
        "x \\",
        "\f",
    ],
    *[
        "%time x = f()",
        "%%time",
        "%%timeit",
        "%%capture out",
        "%%bash",
        "%%writefile a",
        "%%cython",
        "%%x y",
        "%",
    ],
    *[
        "!ls \\",
        "x = !ls",
        "x = %pwd",
        "f?",
        "?f",
        "/f x",
        "%env A=1",
        "%pylab",
        "    %cd a",
        "%run a.py",
        "!",
    ],
    *["get_ipython().run_line_magic('time', 'a\\nb')", ">>> x", "In [1]: x", "%pip install x", "%timeit -n"],
]


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=12), max_size=8).map("\n".join))
def test_every_cell_keeps_its_lines_and_python_is_not_touched(source):
    python = to_python(source).python
    assert python.count("\n") == source.count("\n")
    try:
        ast.parse(source)
    except (SyntaxError, ValueError):
        return
    assert python == source
