"""What a cell does in IPython itself, the Python that it is turned into does there, too."""

import json
import subprocess
import sys

import pytest

SOURCES = [
    "%%timeit -n 1 -r 1\nx = 1\nheld.append(2)",
    "%%timeit -n 1 -r 1 z = 3\nx = z",
    "%timeit -n 1 -r 1 x = 1",
    "for i in [1]:\n    %timeit -n1 -r1 held.append(i)",
    "%time x = 1",
    "%time --no-raise-error x = 1",
    "x = %time 1 + 1",
    "%prun -q x = 1",
    "%%prun -q\nx = 1",
    "\n%%time\nx = 1",
    "%%time\nx = 1;\n",
    "if word:\n    %time x = 2",
    "class A:\n    %time x = 1",
    "%env A=1",
    "%env A 1 2",
    "%env A={word}/b",
    "%set_env A 1=2",
    "x = %env HOME",
    "%cd folder",
    "x = !echo 1",
    "%%sx\nx = 1",
    "%%python3\nx = 1",
    "/held.append word",
    ",held.append a",
    "word?",
]

# Runs each source in a new shell and prints the names that it bound, the variables that it set, where it left off.
RUN = """
import contextlib, io, json, os, sys
from IPython.core.interactiveshell import InteractiveShell

def run(source, folder=os.getcwd(), environment=dict(os.environ)):
    os.chdir(folder)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.user_ns.update(word="text", held=[])
    before = set(shell.user_ns)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        shell.run_cell(source)
    names = sorted(name for name in shell.user_ns.keys() - before if name[0] != "_")
    variables = sorted(set(os.environ.items()) - set(environment.items()))
    os.environ.pop("A", None)
    return names, variables, os.path.relpath(os.getcwd(), folder), sorted({str(one) for one in shell.user_ns["held"]})

print(json.dumps([run(source) for source in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    from nbslim.analyzer.magics import to_python

    home = tmp_path_factory.mktemp("home")
    (home / "folder").mkdir()
    environment = {"HOME": str(home), "IPYTHONDIR": str(home), "PATH": "/usr/bin:/bin"}
    sources = [*SOURCES, *(to_python(source).python for source in SOURCES)]
    ran = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(sources), cwd=home, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(ran.stdout)
    return dict(zip(SOURCES, zip(found, found[len(SOURCES) :])))


@pytest.mark.parametrize("source", SOURCES)
def test_cell_and_its_python_do_the_same(source, outcomes):
    in_ipython, as_python = outcomes[source]
    assert as_python == in_ipython


def test_what_cells_do_is_seen(outcomes):
    done = [outcomes[source][0] for source in ("%time x = 1", "%env A=1", "%cd folder", ",held.append a")]
    nothing = [[], [], ".", []]
    assert [[part for part, empty in zip(one, nothing) if part != empty] for one in done] == [
        [["x"]], [[["A", "1"]]], ["folder"], [["a"]],
    ]  # fmt: skip
