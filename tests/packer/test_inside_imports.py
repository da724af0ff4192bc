"""What code imports is read from its bytecode alone, and whether it does without, on every Python."""

import json
import subprocess
import textwrap
from pathlib import Path

import pytest
from guests import guest_pythons

PACKER = Path(__file__).parents[2] / "packer"
PROGRAM = """
import json, sys, types
from inside_imports import imported

def codes(code):
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from codes(one)

told = []
for source, package in json.load(sys.stdin):
    inner = codes(compile(source, "module", "exec"))
    told.append([[list(pair) for pair in imported(code, package)] for code in inner])
print(json.dumps(told))
"""

PLAIN = {
    "import a": {"a": False},
    "import a.b.c": {"a.b.c": False},
    "import a.b as c, d": {"a.b": False, "d": False},
    "from a import b, c as d": {"a": False, "a.b": False, "a.c": False},
    "from a import *": {"a": False},
    "from . import b": {"pack.age": False, "pack.age.b": False},
    "from .a import b": {"pack.age.a": False, "pack.age.a.b": False},
    "from .. import b": {"pack": False, "pack.b": False},
    "from ..a import *": {"pack.a": False},
    "x = 1": {},
    "def f():\n    import a": {},
}
NEEDS, DOES_WITHOUT = {"a": False}, {"a": True}
GUARDS = {
    "try:\n    import a\nexcept ImportError:\n    pass": DOES_WITHOUT,
    "try:\n    import a\nexcept ImportError as error:\n    caught = error": DOES_WITHOUT,
    "try:\n    import a\nexcept ModuleNotFoundError:\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept Exception:\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept BaseException:\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept:\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept (ImportError, OSError):\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept (OSError, ImportError):\n    a = None": DOES_WITHOUT,
    "try:\n    x = 1\n    import a\n    y = a.b()\nexcept ImportError:\n    a = None": DOES_WITHOUT,
    "try:\n    import a\nexcept ImportError:\n    a = None\nfinally:\n    x = 1": DOES_WITHOUT,
    "try:\n    try:\n        import a\n    except ImportError:\n        x = 1\nexcept OSError:\n    y": DOES_WITHOUT,
    "for x in y:\n    try:\n        import a\n    except ImportError:\n        continue": DOES_WITHOUT,
    "try:\n    import a\nfinally:\n    x = 1": NEEDS,
    "try:\n    import a\nexcept OSError:\n    x = 1": NEEDS,
    "try:\n    import a\nexcept (OSError, KeyError):\n    x = 1": NEEDS,
    "try:\n    x = 1\nexcept ImportError:\n    import a": NEEDS,
    "try:\n    x = 1\nexcept ImportError:\n    x = 2\nelse:\n    import a": NEEDS,
    "try:\n    x = 1\nexcept ImportError:\n    x = 2\nfinally:\n    import a": NEEDS,
    "try:\n    x = 1\nexcept ImportError:\n    x = 2\nimport a": NEEDS,
    "with x:\n    import a": NEEDS,
}
FAR_GUARDS = [
    "try:\n    import a\nexcept OSError:\n    x = 1\nexcept ImportError:\n    a = None",
    "try:\n    try:\n        import a\n    except OSError:\n        x = 1\nexcept ImportError:\n    1",
    "try:\n    try:\n        import a\n    finally:\n        x = 1\nexcept ImportError:\n    y = 1",
    "try:\n    with x:\n        import a\nexcept ImportError:\n    y = 1",
]
NEVER = {
    "if TYPE_CHECKING:\n    import a": {},
    "if typing.TYPE_CHECKING:\n    import a\n    from . import b": {},
    "if TYPE_CHECKING:\n    import a\nimport b": {"b": False},
    "if TYPE_CHECKING:\n    import a\nelse:\n    import b": {"b": False},
    "if not TYPE_CHECKING:\n    import a": NEEDS,
    "if TYPE_CHECKING or x:\n    import a": NEEDS,
    "if __name__ == '__main__':\n    import a": {},
    "if '__main__' == __name__:\n    import a": {},
    "if __name__ == '__main__':\n    import a\nelse:\n    import b": {"b": False},
    "if __name__ != '__main__':\n    import a": NEEDS,
    "x = '__main__'\nimport a": NEEDS,
    "x = '__main__'\nif y:\n    import a": NEEDS,
    "x = TYPE_CHECKING\nif y:\n    import a": NEEDS,
    "if f(TYPE_CHECKING):\n    import a": NEEDS,
}
BY_NAME = {
    "importlib.import_module('a.b')": "a.b",
    "import_module('.b', __package__)": "pack.age.b",
    "__import__('a')": "a",
    "x = lazy.attach(__name__, submodules={'b'})": "pack.age.b",
    "x = lazy.attach(__name__, ['b', 'c'])": "pack.age.c",
    "x = lazy.attach(__name__, submod_attrs={'b': ['f'], 'c.d': ['g']})": "pack.age.c.d",
    "x = LazyLoader('a', globals(), 'a.b')": "a.b",
    "for name in ('b', 'c'):\n    import_module(name)": "c",
    "if x in {'b', 'c'}:\n    import_module(x)": "b",
}
MANY = "\n".join(f"name_{number} = {number}.5\nimport module_{number}" for number in range(300))


@pytest.fixture(scope="module", name="read", params=guest_pythons())
def _read(request):
    """Read what sources of a module in `pack.age` import, code by code, with a Python of this machine."""

    def read(*sources):
        command = [request.param, "-S", "-B", "-W", "error", "-c", PROGRAM]
        text = json.dumps([(textwrap.dedent(source), "pack.age") for source in sources])
        done = subprocess.run(
            command, input=text, env={"PYTHONPATH": str(PACKER)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


def compared(read, expected):
    """What is read of each module's own code, and what should be."""
    return {source: dict(codes[0]) for source, codes in zip(expected, read(*expected))}, expected


def test_every_form_of_a_statement_gives_full_names(read):
    found, expected = compared(read, PLAIN)
    assert found == expected


def test_import_is_optional_where_its_failure_is_caught_and_only_there(read):
    found, expected = compared(read, GUARDS)
    assert found == expected


def test_import_behind_two_guards_is_found(read):
    # Whether the outer one is seen depends on the Python; not to see it keeps more.
    assert [[name for name, _ in codes[0]] for codes in read(*FAR_GUARDS)] == [["a"]] * len(FAR_GUARDS)


def test_what_only_type_checkers_and_programs_run_is_not_imported(read):
    found, expected = compared(read, NEVER)
    assert found == expected


def test_suppressed_import_counts_as_needed(read):
    # What a context manager does with an error, no bytecode shows; so the safe reading holds.
    [[found]] = read("with suppress(ImportError):\n    import a")
    assert found == [["a", False]]


def test_functions_are_read_apart_and_both_branches_of_them(read):
    source = """
        def f(x):
            if x:
                import a
            else:
                from b import c
            try:
                import d
            except ImportError:
                import e
    """
    [[module, function]] = read(source)
    assert module == []
    assert dict(function) == {"a": False, "b": False, "b.c": False, "d": True, "e": False}


def test_guard_around_a_definition_does_not_guard_what_the_function_imports(read):
    [[_, function]] = read("try:\n    def f():\n        import a\nexcept ImportError:\n    pass")
    assert function == [["a", False]]


def test_code_with_hundreds_of_names_and_constants_is_read_to_its_end(read):
    guarded = "\ntry:\n    import last\nexcept ImportError:\n    pass\nfrom . import other"
    [[found]] = read(MANY + guarded)
    expected = {f"module_{number}": False for number in range(300)}
    assert dict(found) == {**expected, "last": True, "pack.age": False, "pack.age.other": False}


def test_guard_far_from_its_handler_is_seen(read):
    body = "\n".join(f"    import module_{number}\n    x{number} = {number}.5" for number in range(300))
    [[found]] = read(f"try:\n{body}\nexcept ImportError:\n    pass")
    assert dict(found) == {f"module_{number}": True for number in range(300)}


def test_names_that_reach_import_as_texts_are_optional_imports(read):
    for source, codes in zip(BY_NAME, read(*BY_NAME)):
        assert dict(codes[0]).get(BY_NAME[source]) is True, source


def test_texts_of_code_that_imports_none_by_name_are_no_modules(read):
    [[found]] = read("x = 'a.b'\ny = print('c')")
    assert found == []


def test_text_that_is_no_name_is_no_module(read):
    [[found]] = read("import_module(name)\nx = 'two words'\ny = '1.2'\nz = 'a..b'")
    assert found == []
