"""Cells with magics become Python that keeps its lines."""

import ast

import pytest
from nbslim.analyzer.magics import to_python


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
        ("\n%%time\n\n%%capture out\nx = 1", "\n\n\n\nx = 1"),
        ("%%timeit -n 3\n!ls\nx = 1", "\nget_ipython().system('ls')\nx = 1"),
        ("%%time", ""),
        ("%%bash\nls\necho x", "\n\n"),
        ("%%javascript\nalert('%s')\n", "\n\n"),
        ("%time model = fit()", "model = fit()"),
        ("if a:\n    %time b = f('x')\n", "if a:\n    b = f('x')\n"),
        ("y = %time f(1)", "y = f(1)"),
        ("%time for", "get_ipython().run_line_magic('time', 'for')"),
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
        "# !ls",
    ],
)
def test_python_is_not_touched(source):
    assert to_python(source).python == source


@pytest.mark.parametrize(
    "source",
    ["def (", "\0", "'''", "((((", "%", "%%", "!", "?", "%%%x", "%time", "\\", "x\r\ny", "\t\f\n%a", "é?"]
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
    ("source", "written"),
    [
        ("%%writefile a.py\nimport x\n", ("a.py", "import x\n")),
        ("%%file 'my file.py'\n", ("my file.py", "")),
        ("\n%%writefile -a a.py\ny = 1", ("a.py", "y = 1")),
        ("%%writefile\nx", None),
        ("%%writefile ''\nx", None),
        ("x = 1", None),
    ],
)
def test_written_file_is_reported(source, written):
    assert to_python(source).written_file == written


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("%pip install numpy", ["numpy"]),
        ("pip install numpy", ["numpy"]),
        ("!pip install -q 'numpy>=2' pandas==2.1  # for 'later", ["numpy>=2", "pandas==2.1"]),
        ("!pip install -q 'numpy>=2' pandas==2.1  # later", ["numpy>=2", "pandas==2.1"]),
        ("!pip3 install numpy>=2 > /dev/null 2>&1", ["numpy>=2"]),
        ("%uv pip install \"x; python_version<'3.12'\"", ["x; python_version<'3.12'"]),
        ("!python -m pip --quiet install -U a b | tail -1", ["a", "b"]),
        ("!{sys.executable} -m pip install a", ["a"]),
        ("!apt-get update && pip install a; pip install b", ["a", "b"]),
        ("%pip install --index-url https://me:secret@host/ a", ["--index-url", "a"]),
        ("%pip install --index-url=https://me:secret@host/ a", ["--index-url", "a"]),
        ("%pip install --unknown-flag a", ["a"]),
        ("%pip install -r other.txt -e .", ["-r other.txt", "-e"]),
        ("%%bash\npip install a", ["a"]),
        ("%%capture\n%pip install a", ["a"]),
        ("%pip install a \\\n  b", ["a", "b"]),
        ("!echo pip install a", []),
        ("%pip uninstall a", []),
        ("'''\n%pip install a\n'''", []),
    ],
)
def test_installs_are_read(line, asked):
    assert [text for text, _ in to_python(line).installs] == asked


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("%run setup.py", "setup.py"),
        ("%run -i 'my setup.py' --flag", "my setup.py"),
        ("%run setup", "setup.py"),
        ("%run other.ipynb", None),
        ("%run", None),
        ("%runner setup.py", None),
        ("run = 'setup.py'", None),
    ],
)
def test_scripts_are_told_with_their_line(line, run):
    assert to_python(f"x = 1\n{line}").runs == (((run, 2),) if run else ())


def test_installs_know_their_line():
    assert to_python("\n%%capture\nx = 1\n!pip install a\n%pip install b").installs == (("a", 4), ("b", 5))
