"""A cell's text becomes statements that say what it binds, reads, changes and imports."""

import json
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from nbslim.analyzer.constants import Variable
from nbslim.analyzer.magics import to_python
from nbslim.analyzer.statement import Imported, Opaque
from nbslim.analyzer.syntax import statements

ROOT = Path(__file__).parents[2]
HARD_CASES = json.loads(Path(__file__).with_name("hard-cases.json").read_text("utf-8"))


def one(source):
    # the value of a cell's last expression has a name, too: something else comes last
    statement, _ = statements(f"{dedent(source).strip()}\npass")
    return statement


BINDS = {
    "a = b.c = 1": {"a"},
    "a, (b, *c) = x": {"a", "b", "c"},
    "a += 1": {"a"},
    "a: int = 1": {"a"},
    "import a.b, c.d as e": {"a", "e"},
    "from a import b, c as d": {"b", "d"},
    "from a import *": set(),
    "(a := 1)": {"a"},
    "[b := c for c in x]": {"b"},
    "def f(a): b = 1": {"f"},
    "class A: b = 1": {"A"},
    "match x:\n    case [a, {'k': b, **c}] as d: pass": {"a", "b", "c", "d"},
    "ﬁ = 1": {"fi"},
}


@pytest.mark.parametrize("source", BINDS)
def test_names_are_bound_as_python_binds_them(source):
    assert one(source).binds == BINDS[source]


READS = {
    # source: what is read at once, what functions in it read later
    "a = b + c.d": ({"b", "c"}, set()),
    "a += b": ({"a", "b"}, set()),
    "[a for a in b if c]": ({"b", "c"}, set()),
    "f'{a:{b}}'": ({"a", "b"}, set()),
    "f = lambda x, y=a: x + b": ({"a"}, {"b"}),
    "@a\ndef f(x: b = c) -> d: return x + e": ({"a", "b", "c", "d"}, {"e"}),
    "def f():\n    global a\n    a = b": (set(), {"a", "b"}),
    "def f():\n    a: b = c": (set(), {"c"}),
    "def f(a):\n    def g(): return a + b": (set(), {"b"}),
    "x = eval('a + b')": ({"eval", "a", "b"}, set()),
    "def f(): exec(' a.b()')": (set(), {"exec", "a"}),
    "await a": ({"a"}, set()),
}


@pytest.mark.parametrize("source", READS)
def test_names_are_read_at_once_or_later(source):
    statement = one(source)
    assert (statement.uses, statement.body.names) == READS[source]


UPDATES = {
    "a.fit(b)": {"a"},
    "a.b.c(1)[2].d()": {"a"},
    "a[0] = 1": {"a"},
    "a.b += 1": {"a"},
    "x, a.b = 1, 2": {"a"},
    "del a[0]": {"a"},
    "draw(a)": set(),
    "str(a).strip()": set(),
    "def f(): a.fit()": set(),
    "open('a.txt').read()": set(),
}


@pytest.mark.parametrize("source", UPDATES)
def test_values_that_may_change_are_named(source):
    assert one(source).updates == UPDATES[source]


IMPORTS = {
    "import a.b as c": Imported("a.b", 1, bound="c"),
    "from . import a": Imported("", 1, "a", "a", level=1),
    "from ..a import b as c": Imported("a", 1, "b", "c", level=2),
    "from a import *": Imported("a", 1, "*"),
    "x = importlib.import_module('a.b')": Imported("a.b", 1),
    "__import__('a')": Imported("a", 1),
    "import_module('.a', 'b')": Imported("b.a", 1),
    "import_module('.a')": Imported("a", 1, level=1),
}


@pytest.mark.parametrize("source", IMPORTS)
def test_imports_are_told_as_they_are_written(source):
    assert one(source).imports == (IMPORTS[source],)


def test_import_in_a_function_comes_later():
    statement = one("""
        def f():
            import a
            try:
                import b
            except (ValueError, ImportError):
                import c
            if TYPE_CHECKING:
                import d
    """)
    assert statement.imports == ()
    assert [(i.module, i.line, i.optional, i.function) for i in statement.body.imports] == [
        ("a", 2, False, 1), ("b", 4, True, 1), ("c", 6, False, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "optional"),
    [
        ("try:\n    import a\nexcept ImportError:\n    pass", True),
        ("try:\n    import a\nexcept:\n    pass", True),
        ("try:\n    import a\nexcept KeyError:\n    pass", False),
        ("with contextlib.suppress(ImportError):\n    import a", True),
        ("with open('f') as f:\n    import a", False),
        ("if x:\n    import a", False),
    ],
)
def test_import_that_may_fail_is_optional(source, optional):
    (found,) = (imported for statement in statements(source) for imported in statement.imports)
    assert found.optional is optional


@pytest.mark.parametrize(
    ("source", "conditional"),
    [
        ("if x:\n    a = 1", True),
        ("if x: pass\nelse:\n    a = 1", True),
        ("for i in x:\n    a = 1", True),
        ("while x:\n    a = 1", True),
        ("try: pass\nexcept E:\n    a = 1", True),
        ("try:\n    a = 1\nfinally: pass", False),
        ("with x:\n    a = 1", False),
        ("if TYPE_CHECKING: pass\nelse:\n    a = 1", False),
    ],
)
def test_statement_that_may_not_run_is_conditional(source, conditional):
    found = next(statement for statement in statements(source) if "a" in statement.binds)
    assert (found.conditional or bool(found.conditions)) is conditional


@pytest.mark.parametrize(
    ("value", "builtins"),
    [
        ("1", set()),
        ("'a %s' % x", set()),
        ("-1 + 2.5j", set()),
        ("[1, (2, {3: None})]", set()),
        ("float(x)", {"float"}),
        ("round(len(x), 2)", {"len"}),
        ("x.tolist()", set()),
        ("[float(i) for i in x]", {"float"}),
        ("x", None),
        ("[x]", None),
        ("{**x}", None),
        ("round(x)", None),
        ("x.mean()", None),
        ("1 + x", None),
    ],
)
def test_plain_value_is_known_by_its_form(value, builtins):
    assert one(f"a = {value}").plain_if_builtin == builtins


@pytest.mark.parametrize(
    ("source", "opaque"),
    [
        ("eval(x)", Opaque("eval()", 1)),
        ("globals()[x]", Opaque("globals()[...]", 1)),
        ("__import__(x)", Opaque("a computed module name", 1, texts=((Variable("x"),),))),
        ("import_module(f'{x.y}')", Opaque("a computed module name", 1)),
    ],
)
def test_what_cannot_be_looked_into_is_told(source, opaque):
    assert one(source).opaque == (opaque,)


@pytest.mark.parametrize("source", ["vars(x)['a']", "x.globals()['a']", "model.eval", "globals()"])
def test_what_only_looks_opaque_is_not_told(source):
    assert one(source).opaque == ()


def test_code_is_no_computed_value():
    assert [one(source).defines_code for source in ("def f(): 0", "class A: 0", "a = lambda: 0")] == [
        True
    ] * 3
    assert [one(source).defines_code for source in ("a = f(lambda: 0)", "a = 0", "import a")] == [False] * 3


def test_names_of_files_are_noticed():
    assert one("dump(model, 'out/model.joblib', mode='w')").files == {"out/model.joblib"}
    assert one("def f(): return load('./model.pkl')").body.files == {"./model.pkl"}


def test_statement_moves_to_the_line_that_runs_it():
    moved = one(
        "import a; x = eval(y)" if False else "def f():\n    import a\n    eval(x)\n    b.read_csv()"
    ).at(9)
    assert (moved.line, moved.body.imports[0].line, moved.body.opaque[0].line) == (9, 9, 9)


def cells():
    for case in HARD_CASES:
        for cell in case["cells"]:
            if isinstance(cell, str) or cell.get("type", "code") == "code":
                yield cell if isinstance(cell, str) else cell["source"]
        yield from (text for name, text in case["files"].items() if name.endswith(".py"))
    for path in sorted(ROOT.glob("fixtures/**/*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def test_real_cells_are_read_or_refused_as_python_refuses_them():
    for source in cells():
        try:
            statements(to_python(source).python)
        except SyntaxError:
            with pytest.raises(SyntaxError):
                compile(to_python(source).python, "<cell>", "exec")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("x = 1\ny = (", 2),
        ("def f():\n    return 1\n\n\ndef g():\n    nonlocal y", 6),
        ("return 5", 1),
        ("a\0b", None),
        ("x = '\ud800'", 1),
        ("x = " + "(" * 300 + ")" * 300, 1),
        ("x = " + "+".join(["1"] * 50_000), 1),
    ],
)
def test_what_is_no_python_is_a_syntax_error_with_its_line(source, line):
    with pytest.raises(SyntaxError) as caught:
        statements(source)
    assert line is None or caught.value.lineno == line
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "+".join(["a"] * 500),
        "if 1: pass\n" + "elif 2: pass\n" * 300,
        "x = " + "(" * 150 + ")" * 150,
        "a\r\nb\r\n",
        "\ufeffa",
        "\f\na",
        "async with a as b: pass",
        "def f[T](x: T) -> T: return x",
        "type X = int",
        "try: pass\nexcept* E: pass",
        "",
    ],
)
def test_odd_cells_are_read_if_this_python_reads_them(source):
    try:
        compile(source, "<cell>", "exec", flags=0x2000)
    except SyntaxError:
        with pytest.raises(SyntaxError):
            statements(source)
    else:
        statements(source)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="except* is newer")
def test_group_of_errors_guards_imports_in_a_function_too():
    statement = one(
        """
        def f():
            try:
                import a
            except* ImportError:
                import b
        """
    )
    assert [(i.module, i.optional, i.instead_of) for i in statement.body.imports] == [
        ("a", True, ()),
        ("b", False, ("a",)),
    ]


def test_what_is_tried_last_is_instead_of_all_before():
    statement = one(
        """
        def f():
            try:
                import a
            except ImportError:
                try:
                    import b
                except ImportError:
                    import c
        """
    )
    assert [(i.module, i.instead_of) for i in statement.body.imports] == [
        ("a", ()),
        ("b", ("a",)),
        ("c", ("a", "b")),
    ]
