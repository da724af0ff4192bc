"""A notebook runs in a real kernel, on the host and in a working container."""

import functools
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from nbslim.analyzer import Cell, Notebook, Place, ServingEffect, read_pickle
from nbslim.packer import execute as execute_module
from nbslim.packer.batches import Batches
from nbslim.packer.environments import make_environment, make_runtime, runtime_requirements
from nbslim.packer.errors import ExecutionError
from nbslim.packer.execute import execute
from nbslim.packer.folder import copy_folder
from nbslim.packer.options import Settings
from nbslim.packer.pythons import find_python
from nbslim.packer.stage import open_stage
from nbslim.packer.workspace import open_workspace
from nbslim.runtime.bundle import _samples
from support import CACHE, needs_buildah

STAGES = [
    pytest.param(("oci", None), id="host"),
    pytest.param(("buildah", "chroot"), id="buildah-chroot", marks=needs_buildah),
    pytest.param(("buildah", "oci"), id="buildah-oci", marks=needs_buildah),
]
OK = "def predictor(x):\n    return x + 1"


@pytest.fixture(scope="module")
def made():
    """Make environment and runtime for a version of Python, once."""

    @functools.cache
    def made(version):
        python = find_python(version)
        environment = make_environment(python, [], cache=CACHE)
        return environment, make_runtime(python, runtime_requirements(), cache=CACHE)

    return made


@pytest.fixture
def run(tmp_path, made):
    """Execute cells; returns the execution and what the bundle's folder holds."""

    def run(*sources, stage=("oci", None), files=(), version="3.11", effects=(), **settings):
        environment, runtime = made(version)
        folder = tmp_path / "user"
        folder.mkdir(exist_ok=True)
        for name, text in dict(files).items():
            (folder / name).write_text(text)
        cells = tuple(Cell(n, textwrap.dedent(s), s) for n, s in enumerate(sources, 1))
        notebook = Notebook(folder / "model.ipynb", cells, version)
        engine, isolation = stage
        with (
            open_workspace(tmp_path / "cache") as workspace,
            open_stage(engine, workspace, CACHE, isolation=isolation) as opened,
        ):
            copy_folder(notebook, workspace.work)
            readable = [
                environment.folder,
                runtime,
                environment.python.prefix,
                Path(execute_module.__file__).parent,
            ]
            execution = execute(
                notebook, opened, workspace, environment.executable,
                runtime=runtime, readable=readable, settings=Settings(**settings), choose=lambda: effects,
            )  # fmt: skip
            pickled = (workspace.bundle / "entry_points.pickle").read_bytes()
            return execution, _samples(workspace.bundle / "samples.jsonl"), pickled

    return run


@pytest.fixture(params=STAGES)
def stage(request):
    return request.param


def test_samples_get_the_notebooks_own_answers(run, stage):
    _, samples, pickled = run(OK, "samples = [1, 2.5, 'x']", stage=stage)
    assert samples[:2] == ({"input": 1, "answer": 2}, {"input": 2.5, "answer": 3.5})
    assert samples[2] == {"input": "x", "raises": "TypeError"}
    assert pickle.loads(pickled)["predictor"](1) == 2


def test_calls_in_cells_are_recorded_with_their_input_as_it_was(run):
    cells = [
        "def predictor(x):\n    x.append(1)\n    return len(x)",
        "first = [5]\nprint(predictor(first))\n[predictor(x) for x in ([], [7, 8])]",
        "def helper(x):\n    return predictor(x)",
    ]
    _, samples, _ = run(*cells)
    assert [s["input"] for s in samples] == [[5], [], [7, 8]]


def test_samples_that_are_not_json_are_reported(run):
    execution, samples, _ = run(OK, "samples = [1, object()]")
    assert [s["input"] for s in samples] == [1]
    assert len(execution.unusable) == 1
    assert "object" in execution.unusable[0]


def test_samples_that_the_service_would_refuse_are_reported(run):
    refused = ["'a' + chr(0xD800)", "10 ** 4500", "eval('[' * 101 + ']' * 101)"]
    execution, samples, _ = run(OK, f"samples = [1, {', '.join(refused)}]")
    assert [s["input"] for s in samples] == [1]
    reasons = (
        "half of a surrogate pair at line 1, column 3",
        "ValueError: Exceeds",
        "it is nested more than 100 deep",
    )
    for reason, (number, told) in zip(reasons, enumerate(execution.unusable, 2), strict=True):
        assert told.startswith(f"sample {number}: {reason}")


def test_answer_that_has_no_utf_8_is_written(run):
    _, samples, _ = run("predictor = lambda x: chr(x)", "samples = [0xD800]")
    assert samples == ({"input": 0xD800, "answer": "\ud800"},)


def test_answers_that_change_by_themselves_are_counted_and_not_compared(run):
    execution, samples, _ = run(
        "import random\ndef predictor(x):\n    return random.random() if x else 0", "samples=[0, 1]"
    )
    assert execution.unstable == 1
    assert [s["input"] for s in samples] == [0]


@pytest.mark.parametrize(
    "predictor",
    [
        "predictor = lambda x: x + 1",
        "class P:\n    def __call__(self, x): return x + 1\npredictor = P()",
        "class P:\n    def p(self, x): return x + 1\npredictor = P().p",
        "import functools, operator\npredictor = functools.partial(operator.add, 1)",
    ],
    ids=["lambda", "callable object", "bound method", "partial"],
)
def test_any_callable_is_a_predictor(run, predictor):
    _, samples, _ = run(predictor, "samples = [1]")
    assert samples == ({"input": 1, "answer": 2},)


def test_code_is_named_after_its_cell(run):
    _, _, pickled = run("1", OK)
    assert pickle.loads(pickled)["predictor"].__code__.co_filename == "<cell 2>"


def test_the_users_folder_is_read_and_never_written(run, tmp_path, stage):
    cell = (
        "n = int(open('data.txt').read())\nopen('data.txt', 'w').write('9')\ndef predictor(x): return x + n"
    )
    _, samples, _ = run(cell, "samples = [1]", files={"data.txt": "41"}, stage=stage)
    assert samples == ({"input": 1, "answer": 42},)
    assert (tmp_path / "user/data.txt").read_text() == "41"


def test_cells_see_the_variables_that_were_passed_and_no_others(run, monkeypatch, stage):
    monkeypatch.setenv("SECRET_OF_THE_HOST", "hidden")
    cell = "from os import environ\nseen = [environ.get('SECRET_OF_THE_HOST'), environ['TOKEN']]"
    cell += "\ndef predictor(x): return seen"
    _, samples, _ = run(cell, "samples = [0]", variables={"TOKEN": "t"}, stage=stage)
    assert samples[0]["answer"] == [None, "t"]


def test_without_network_there_is_none_but_the_own_machine(run, stage):
    cell = (
        "import socket\nnames = [name for _, name in socket.if_nameindex()]\ndef predictor(x): return names"
    )
    _, samples, _ = run(cell, "samples = [0]", network=False, stage=stage)
    assert samples[0]["answer"] == ["lo"]


def test_shell_commands_work_in_cells(run, stage):
    _, samples, _ = run(
        "words = !echo hello\ndef predictor(x): return list(words)", "samples = [0]", stage=stage
    )
    assert samples[0]["answer"] == ["hello"]


def test_annotations_keep_nothing_alive(run):
    cell = "import decimal\ndef predictor(x: decimal.Decimal) -> 'int':\n    return x"
    _, _, pickled = run(cell)
    assert b"decimal" not in pickled


FAILURES = {
    "a cell raises": (
        ["x = 1", "def f():\n    return 1 / 0\n\nf()"],
        "cell 2, line 2: ZeroDivisionError: division by zero",
    ),
    "a syntax error": (["x = ("], "cell 1, line 1: SyntaxError"),
    "the kernel dies": (["import os\nos._exit(3)"], "cell 1, line 1: the kernel died"),
    "a cell never ends": (["while True: pass"], "cell 1, line 1: not done after 2 s"),
    "no callable": (["predictor = 1"], "predictor is not callable"),
    "a lock in the closure": (
        [
            "import threading\nlock = threading.Lock()",
            "def helper(x):\n    return lock",
            "def predictor(x):\n    return helper(x)",
        ],
        "predictor → helper → lock is a _thread.lock",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failure_names_cell_and_line(run, name):
    sources, message = FAILURES[name]
    with pytest.raises(ExecutionError, match=r"model\.ipynb") as caught:
        run(*sources, timeout=2 if name == "a cell never ends" else 60)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_timeout_leaves_no_process_no_container_and_no_folder(run, tmp_path, stage):
    child = "import subprocess\nsubprocess.Popen(['sleep', '611'])\nwhile True: pass"
    with pytest.raises(ExecutionError, match="not done after 1 s"):
        run(child, timeout=1, stage=stage)
    assert subprocess.run(["pgrep", "-f", "sleep 611"], capture_output=True, check=False).stdout == b""
    assert list((tmp_path / "cache/packs").iterdir()) == []
    if stage[0] == "buildah":
        listed = subprocess.run(
            ["buildah", "containers", "--quiet"], capture_output=True, text=True, check=True
        )
        assert listed.stdout == ""
        listed = subprocess.run(["runc", "list", "--quiet"], capture_output=True, text=True, check=True)
        assert listed.stdout == ""
        assert str(tmp_path) not in Path("/proc/mounts").read_text()


def test_links_in_the_folder_are_followed_and_never_written_through(run, tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("5")
    (tmp_path / "user").mkdir()
    (tmp_path / "user/data.txt").symlink_to(outside)
    (tmp_path / "user/loop").symlink_to(tmp_path / "user")
    cell = "n = int(open('data.txt').read())\nopen('data.txt', 'w').write('6')\ndef predictor(x): return n"
    _, samples, _ = run(cell, "samples = [0]")
    assert samples[0]["answer"] == 5
    assert outside.read_text() == "5"


ANNOTATED = {
    "a function": "def predictor(x: D) -> D: return x",
    "a method": "class P:\n    def __call__(self, x: D) -> D: return x\npredictor = P()",
    "a static method": "class P:\n    @staticmethod\n    def p(x: D): return x\npredictor = P.p",
    "a class": "class P:\n    unit: D\n    def __call__(self, x): return x\npredictor = P()",
    "a closure": "def make():\n    def inner(x: D): return x\n    return inner\npredictor = make()",
    "a wrapped function": (
        "import functools\ndef deco(f):\n    @functools.wraps(f)\n    def inner(*a: D): return f(*a)\n"
        "    return inner\n@deco\ndef predictor(x: D): return x"
    ),
    "a partial": "import functools\ndef f(y: D, x): return x\npredictor = functools.partial(f, 1)",
    "a function in a container": "def f(x: D): return x\nsteps = {'a': [f]}\ndef predictor(x): return steps['a'][0](x)",
}


@pytest.mark.parametrize("kind", ANNOTATED)
@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_annotations_keep_nothing_alive_wherever_they_are(run, kind, version):
    _, samples, pickled = run(
        "from decimal import Decimal as D", ANNOTATED[kind], "samples = [1]", version=version
    )
    assert b"decimal" not in pickled
    assert samples == ({"input": 1, "answer": 1},)


TYPED = """
import dataclasses, typing
from decimal import Decimal as D
@dataclasses.dataclass
class Row:
    x: D
class Pair(typing.NamedTuple):
    x: D
class Map(typing.TypedDict):
    x: D
def predictor(x):
    types = dataclasses.fields(Row)[0].type, Pair.__annotations__['x'], Map.__annotations__['x']
    return [kind(x) == x for kind in types]
samples = [1]
"""


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_classes_whose_machinery_reads_types_keep_them(run, version):
    _, samples, pickled = run(TYPED, version=version)
    assert samples[0]["answer"] == [True, True, True]
    assert b"decimal" in pickled


def effect(cell, line, replay):
    return ServingEffect(replay, Place(cell, line), "", "certain", replay)


def clean(pickled):
    """Load the pickle in a process of its own and return what the predictor prints for 1."""
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer)['predictor'](1))"
    done = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, check=True)
    return done.stdout.decode().strip()


PATCHING = [
    "import math\nfactor = 3\nmath.factorial = lambda x: -x * factor",
    "def predictor(x): return math.factorial(x)",
]


def test_chosen_changes_are_made_when_the_bundle_is_loaded(run):
    chosen = (effect(1, 3, "math.factorial = lambda x: -x * factor"),)
    execution, samples, pickled = run(*PATCHING, "samples = [1]", effects=chosen)
    assert samples == ({"input": 1, "answer": -3},)
    assert clean(pickled) == "-3"
    assert execution.samples == 1


def test_changes_that_nobody_chose_are_not_made(run):
    _, _, pickled = run(*PATCHING)
    assert clean(pickled) == "1"


def test_changes_are_code_of_their_cell_and_not_of_the_library_that_carries_them(run):
    _, _, pickled = run(*PATCHING, effects=(effect(1, 3, "math.factorial = lambda x: -x"),))
    read = read_pickle(pickled)
    assert Place(1, 3) in read.functions
    assert not [module for module in read.modules if module.startswith("nbslim")]


def test_change_that_holds_what_cannot_be_pickled_names_its_place(run):
    cells = ["import math, threading\nlock = threading.Lock()\nmath.lock = lock", OK]
    with pytest.raises(ExecutionError, match=r"cell 1, line 3: effects → .* → lock is a _thread\.lock"):
        run(*cells, effects=(effect(1, 3, "math.lock = lock"),))


def test_environment_is_never_pickled(run):
    cell = "from os import environ\nenviron['TOKEN'] = 'hush'\ndef predictor(x): return environ.get('HOME')"
    _, _, pickled = run(cell)
    assert b"hush" not in pickled
    assert clean(pickled) == os.environ["HOME"]


def test_modules_are_told_by_the_names_under_which_they_were_imported(run):
    cell = "import sys\nsys.path.append('.')\nopen('kit.py', 'w').write('x = 1')\nimport os.path, kit\n" + OK
    execution, _, _ = run(cell)
    assert execution.local_modules == {"kit": "kit.py"}


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("class Kept:\n    def f(self): return 1", id="class"),
        pytest.param("def make():\n    class A: pass\n    return A\nKept = [make(), make()]", id="same name"),
        pytest.param("import enum\nclass Kept(enum.Enum):\n    RED = 1", id="enumeration"),
        pytest.param(
            "import dataclasses\n@dataclasses.dataclass\nclass Kept:\n    x: int = 1", id="dataclass"
        ),
        pytest.param("import collections\nKept = collections.namedtuple('Kept', 'a b')", id="named tuple"),
        pytest.param(
            "import typing\nT = typing.TypeVar('T')\nclass Kept(typing.Generic[T]): pass", id="generic"
        ),
        pytest.param("Kept = {'a', 'b', 'c', ('d', 1)}", id="set of texts"),
        pytest.param("Kept = {None, 'a', 1, ..., (None, 1)}", id="set with None"),
        pytest.param(
            "class W:\n    def __init__(self):\n        self.words = ['a']; self.words_id = id(self.words)\nKept = W()",
            id="address",
        ),
    ],
)
def test_two_runs_pickle_to_the_same_bytes(run, cell):
    predictor = "def predictor(x):\n    return Kept is None"
    first, second = (run(cell, predictor)[2] for _ in range(2))
    assert first == second


def test_number_that_is_no_address_is_kept(run):
    cells = [
        "class User:\n    def __init__(self):\n        self.user_id = 40_000_000; self.none = None\nuser = User()"
    ]
    _, samples, pickled = run(*cells, "def predictor(x):\n    return user.user_id + x", "samples = [2]")
    assert samples == ({"input": 2, "answer": 40_000_002},)
    assert pickle.loads(pickled)["predictor"](2) == 40_000_002


def test_classes_of_one_name_stay_apart(run):
    make = "def make(n):\n    class A:\n        number = n\n    return A\none, two = make(1), make(2)"
    _, _, pickled = run(make, "def predictor(x):\n    return [one.number, two.number, one is two]")
    assert pickle.loads(pickled)["predictor"](0) == [1, 2, False]


MODEL = """
class Model:
    def predict(self, rows):
        return [sum(row) for row in rows]

model = Model()
"""
USUAL = "def predictor(x):\n    return model.predict([x])[0]"
SOME = "samples = [[1, 2], [3, 4], [0.5], 'x']"


@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_usual_predictor_gets_a_batched_form_that_shares_its_model(run, version):
    execution, samples, pickled = run(MODEL, USUAL, SOME, version=version)
    assert execution.batches == Batches("derived")
    assert [one.get("answer") for one in samples] == [3, 7, 0.5, None]
    if version != "3.11":  # bytecode of another Python
        return
    functions = pickle.loads(pickled)
    batch, predictor = functions["predictor_batch"], functions["predictor"]
    assert batch([[1], [5, 5]]) == [1, 10]
    assert batch.sites[0].ask.__globals__["model"] is predictor.__globals__["model"]
    assert {function.__code__.co_filename for function in (batch.steps, batch.sites[0].ask)} == {"<cell 2>"}


def test_batched_form_is_pickled_before_anything_is_scored(run):
    model = MODEL.replace("return [", "self.calls += 1\n        return [") + "model.calls = 0"
    _, _, pickled = run(model, USUAL, SOME)
    assert pickle.loads(pickled)["predictor_batch"].sites[0].ask.__globals__["model"].calls == 0


def test_two_runs_give_one_pickle_with_its_batched_form(run):
    first, second = (run(MODEL, USUAL, SOME)[2] for _ in range(2))
    assert first == second


def test_batched_form_brings_no_module(run):
    _, _, batched = run(MODEL, USUAL, SOME)
    _, _, looped = run(MODEL, USUAL)
    assert read_pickle(batched).modules == read_pickle(looped).modules


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([MODEL, USUAL], "fewer than two samples"),
        ([MODEL, "def predictor(x):\n    return sum(x)", SOME], "asks no model"),
        (
            [MODEL.replace("row in rows", "row in sorted(rows)"), USUAL, "samples = [[3], [1]]"],
            "[3] gets 1 in a batch, and 3 alone",
        ),
        (["from helper import predictor", SOME], "not a function that a cell defines"),
    ],
    ids=["no samples", "no model", "another answer", "a module's function"],
)
def test_without_a_proved_form_there_is_none(run, cells, reason):
    execution, _, pickled = run(*cells, files={"helper.py": "def predictor(x): return sum(x)"})
    assert (execution.batches.form, execution.batches.refused) == ("looped", None)
    assert reason in execution.batches.reason
    assert b"predictor_batch" not in pickled
    assert b"nbslim.runtime.batched" not in pickled


OWN = "def predictor_batch(xs):\n    return [total / 1 for total in model.predict(xs)]"


def test_own_batched_form_is_used_where_it_agrees(run):
    execution, _, pickled = run(MODEL, USUAL, OWN.replace(" / 1", ""), SOME)
    assert execution.batches == Batches("defined", None, own=True)
    assert pickle.loads(pickled)["predictor_batch"]([[1], [2]]) == [1, 2]


def test_own_batched_form_that_disagrees_is_refused_with_both_answers(run):
    secret = "import threading, decimal\nunit = decimal.Decimal(1)"
    own = OWN.replace("/ 1", "/ int(unit)")
    execution, _, pickled = run(secret, MODEL, USUAL, own, "samples = [[1, 2], [3, 4]]")
    assert execution.batches.refused == (
        "predictor_batch does not do what predictor does, and is not used: "
        "[1,2] gets 3.0 in a batch, and 3 alone"
    )
    assert set(pickle.loads(pickled)) == {"predictor"}
    assert b"decimal" not in pickled


def test_own_batched_form_must_be_callable(run):
    with pytest.raises(ExecutionError, match="predictor_batch is not callable"):
        run(MODEL, USUAL, "predictor_batch = 5")


def test_effects_come_before_a_batched_form(run):
    effect = ServingEffect(
        "x", Place(1, 1), "decimal", "certain", "import decimal\ndecimal.getcontext().prec = 3"
    )
    execution, _, pickled = run(MODEL, USUAL, SOME, effects=(effect,))
    assert execution.batches.form == "derived"
    assert list(pickle.loads(pickled)) == ["effects", "predictor", "predictor_batch"]


def test_batched_form_is_made_in_a_container_too(run, stage):
    execution, _, _ = run(MODEL, USUAL, SOME, stage=stage)
    assert execution.batches.form == "derived"
