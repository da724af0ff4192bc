"""Notebooks of all ages are read, and what is no notebook is refused in one line."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.notebook import read_notebook


def code(source, **more):
    return {"cell_type": "code", "source": source, "outputs": [], "execution_count": None, **more}


def document(*cells, **metadata):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": list(cells)}


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        path = tmp_path / "model.ipynb"
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return read_notebook(path)

    return write_and_read


def test_cells_are_numbered_among_code_cells(read):
    markdown = {"cell_type": "markdown", "source": "# title", "metadata": {}}
    notebook = read(document(markdown, code("x = 1"), markdown, code(""), code(["%%time\n", "y = 2"])))
    assert [(cell.number, cell.source) for cell in notebook.cells] == [
        (1, "x = 1"), (2, ""), (3, "%%time\ny = 2"),
    ]  # fmt: skip
    assert notebook.cells[2].python == "\ny = 2"


def test_cell_carries_its_tags_and_what_its_magics_say(read):
    tagged = code("%pip install a", metadata={"tags": ["parameters"]})
    first, second = read(document(tagged, code("%%writefile a.py\nx = 1"))).cells
    assert (first.tags, first.installs) == ({"parameters"}, (("a", 1),))
    assert (second.tags, second.written) == (frozenset(), ("a.py", "x = 1"))


def test_nbformat_3_is_read(read):
    cell = {"cell_type": "code", "input": ["x = 1\n", "y = 2"], "language": "python", "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": [cell]}]}
    assert [cell.source for cell in read(old).cells] == ["x = 1\ny = 2"]


def test_other_language_of_nbformat_3_is_refused_by_name(read):
    with pytest.raises(NotebookError, match="its kernel is Julia, not Python"):
        read({"nbformat": 3, "metadata": {"language": "Julia", "name": ""}, "worksheets": []})
    assert read(document(language="en")).cells == ()


def test_all_worksheets_of_nbformat_3_are_read(read):
    heading = {"cell_type": "heading", "level": 1, "source": ["title"]}
    sheets = [{"cells": [heading, {"cell_type": "code", "input": text}]} for text in ("x", "y")]
    old = {"nbformat": 3, "nbformat_minor": "0", "worksheets": [*sheets, {"cells": []}]}
    assert [cell.source for cell in read(old).cells] == ["x", "y"]


@pytest.mark.parametrize(
    "untidy",
    [
        {"nbformat": 4, "cells": [code("x")]},
        {"nbformat": 4, "nbformat_minor": 5, "metadata": None, "cells": [code("x", id="?? ??")]},
        {"nbformat": 4, "nbformat_minor": 9, "metadata": {"kernelspec": 1}, "cells": [code("x", unknown=1)]},
        {"nbformat": 4, "nbformat_minor": 2, "cells": [{"cell_type": "code", "source": "x"}]},
    ],
)
def test_untidy_notebook_is_read(read, untidy, capfd):
    assert [cell.source for cell in read(untidy).cells] == ["x"]
    assert read(untidy).python is None
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path, encoding):
    (tmp_path / "model.ipynb").write_text(json.dumps(document(code("'é'")), ensure_ascii=False), encoding)
    assert read_notebook(tmp_path / "model.ipynb").cells[0].source == "'é'"


@pytest.mark.parametrize("version", [4, 4.0, "4", "4.5"])
def test_version_may_be_any_number(read, version):
    assert read({**document(code("x")), "nbformat": version}).cells


def test_of_two_equal_keys_the_last_one_counts(read):
    assert [c.source for c in read('{"nbformat": 4, "cells": 1, "cells": [], "nbformat": 4}').cells] == []


def test_cells_of_other_kinds_are_no_code(read):
    heading = {"cell_type": "heading", "level": 1, "source": "import x"}
    raw = {"cell_type": "raw", "source": None}
    assert [cell.number for cell in read(document(heading, raw, code("x"))).cells] == [1]


@pytest.mark.parametrize("metadata", [None, [], {"tags": None}, {"tags": "skip-execution"}, {"tags": {}}])
def test_untidy_tags_are_none(read, metadata):
    assert read(document(code("x", metadata=metadata))).cells[0].tags == frozenset()


@pytest.mark.parametrize(
    "skipped",
    [
        code("%pip install a\nx = 1", metadata={"tags": ["skip-execution"]}),
        code("%%writefile a.py\nx = 1", metadata={"tags": ["skip-execution"]}),
        code("#| eval: false\nrequirements = ['a']"),
        code("# a comment\n\n#|eval:false\n%run a.py"),
    ],
)
def test_skipped_cell_does_nothing(read, skipped):
    first, second = read(document(skipped, code("#| eval: true\ny = 1"))).cells
    assert (first.python.strip(), first.written, first.installs, first.runs) == ("", None, (), ())
    assert first.python.count("\n") == first.source.count("\n")
    assert "skip-execution" in first.tags
    assert (second.number, second.tags) == (2, frozenset())


def test_what_a_cell_appends_to_a_file_comes_after_the_rest(read, tmp_path):
    (tmp_path / "b.py").write_text("x = 0\n")
    cells = [code(f"%%writefile {rest}") for rest in ("a.py\nx = 1\n", "-a a.py\ny = 2\n", "-a b.py\ny = 3")]
    again = code("%%writefile a.py\nz = 4")
    assert [cell.written for cell in read(document(*cells, again, code("%%writefile -a c.py\nx"))).cells] == [
        ("a.py", "x = 1\n"), ("a.py", "x = 1\ny = 2\n"), ("b.py", "x = 0\ny = 3"), ("a.py", "z = 4"), ("c.py", "x"),
    ]  # fmt: skip


def test_cells_of_a_notebook_that_is_run_belong_to_the_line(read, tmp_path):
    other = document(
        code("%time a = 1"), code("x = ("), code("%run b.py\n%pip install c"), code("%run model.ipynb")
    )
    (tmp_path / "other.ipynb").write_text(json.dumps(other))
    (cell,) = read(document(code("y = 1\n%run -i other.ipynb\n%run d.py"))).cells
    assert [line for _, line in cell.inlined] == [2] * 4
    assert [text for text, _ in cell.inlined][:2] == ["a = 1", ""]
    assert (cell.runs, cell.installs) == ((("d.py", 3), ("b.py", 2)), (("c", 2),))


def test_cells_of_a_notebook_that_is_run_run_in_order_and_there(read, tmp_path):
    (tmp_path / "other.ipynb").write_text(
        json.dumps(document(code("import json as lib"), code("import csv as lib")))
    )
    notebook = read(document(code("lib = 1\n%run other.ipynb\ndef predictor(x): return lib")))
    assert [needed.module for needed in find_closure(notebook).imports] == ["csv"]


def test_notebook_that_is_run_and_is_not_there_or_runs_itself_adds_nothing(read):
    (cell,) = read(document(code("%run no.ipynb\n%run model.ipynb"))).cells
    assert (cell.inlined, cell.runs) == ((), ())


@pytest.mark.parametrize("load", ["%load tool.py", "\n%load -n tool\n", "load 'tool.py'", "%loadpy tool.py"])
def test_cell_that_loads_a_script_holds_its_text(read, tmp_path, load):
    (tmp_path / "tool.py").write_text("import a\n%time b = 1\n")
    (cell,) = read(document(code(load))).cells
    assert cell.source.startswith("# %load tool")
    assert cell.python.endswith("\nimport a\nb = 1\n")


@pytest.mark.parametrize(
    "load", ["%load no.py", "%load -r 1-3 tool.py", "%load https://a/tool.py", "x = 1\n%load tool.py"]
)
def test_cell_that_loads_anything_else_stays_as_it_is(read, tmp_path, load):
    (tmp_path / "tool.py").write_text("import a")
    assert read(document(code(load))).cells[0].source == load


def test_loaded_text_that_was_kept_stays_as_it_is(read):
    assert read(document(code("# %load tool.py\nx = 1"))).cells[0].python == "# %load tool.py\nx = 1"


@pytest.mark.parametrize(
    ("version", "python"),
    [("3.11.7", "3.11"), ("3.13.0rc1", "3.13"), ("3.9", "3.9"), ("3", None), ("", None), (None, None)],
)
def test_python_is_the_minor_version_of_the_metadata(read, version, python):
    assert read(document(language_info={"name": "python", "version": version})).python == python


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"kernelspec": {"name": "python3"}},
        {"kernelspec": {"name": "my-env", "language": "python"}},
        {"kernelspec": {"name": "my-env"}, "language_info": {"name": "python"}},
        {"kernelspec": {"name": "my-env", "display_name": "Python (my-env)"}},
        {"language_info": {"name": "ipython"}},
    ],
)
def test_python_kernel_is_accepted(read, metadata):
    assert read(document(**metadata)).cells == ()


@pytest.mark.parametrize(
    ("metadata", "name"),
    [
        ({"kernelspec": {"name": "ir", "language": "R"}}, "R"),
        ({"kernelspec": {"name": "python3"}, "language_info": {"name": "julia"}}, "julia"),
        ({"kernelspec": {"name": "bash"}}, "bash"),
        ({"kernelspec": {"name": "ir", "display_name": "R 4.3"}}, "ir"),
        ({"language_info": {"name": "julia"}}, "julia"),
    ],
)
def test_other_kernel_is_refused_by_name(read, metadata, name):
    with pytest.raises(NotebookError, match=f"^model.ipynb: its kernel is {name}, not Python$"):
        read(document(**metadata))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("this is text", "is not a notebook: it is not JSON"),
        ("", "is empty"),
        ("[" * 100_000, "is not a notebook: it is not JSON"),
        ("[1]", "is not a notebook: it names no nbformat"),
        ({"a": 1}, "is not a notebook: it names no nbformat"),
        ({"nbformat": None}, "is not a notebook: it names no nbformat"),
        ({"nbformat": True}, "is not a notebook: it names no nbformat"),
        ({"nbformat": "four"}, "is not a notebook: it names no nbformat"),
        ('{"nbformat": 1e999}', "is not a notebook: it names no nbformat"),
        ({"nbformat": 2, "worksheets": []}, "is of nbformat 2, which nbslim does not read"),
        ({"nbformat": 9}, "is of nbformat 9, which nbslim does not read"),
        ({"nbformat": 4, "cells": 3}, "is not a valid notebook: "),
        (
            {"nbformat": 4, "cells": [7]},
            "is not a valid notebook: its cell 1, texts counted, has no cell_type",
        ),
        (
            {"nbformat": 4, "cells": [code(""), None]},
            "is not a valid notebook: its cell 2, texts counted, has no",
        ),
        (
            {"nbformat": 4, "cells": [{"source": "x"}]},
            "is not a valid notebook: its cell 1, texts counted, has no",
        ),
        ({"nbformat": 4, "cells": None}, "is not a valid notebook: "),
        ({"nbformat": 3, "worksheets": [3]}, "is not a valid notebook: "),
        ({"nbformat": 3, "worksheets": [{"cells": 7}]}, "is not a valid notebook: "),
        ({"nbformat": 3, "worksheets": None}, "is not a valid notebook: "),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(read, content, problem):
    with pytest.raises(NotebookError) as caught:
        read(content)
    assert str(caught.value).startswith(f"model.ipynb: {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", [3, None, [1], ["x", None], {}])
def test_source_that_is_no_text_is_refused_with_its_cell(read, source):
    with pytest.raises(
        NotebookError, match=r"^model\.ipynb, cell 2: is not a valid cell: its source is not text$"
    ):
        read(document(code(""), code(source)))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(NotebookError, match=r"^no.ipynb: cannot be read: No such file or directory$"):
        read_notebook(tmp_path / "no.ipynb")


def test_directory_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="cannot be read: Is a directory"):
        read_notebook(tmp_path)


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "model.ipynb").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(NotebookError, match="is not UTF-8 text"):
        read_notebook(tmp_path / "model.ipynb")


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 5)
    | st.floats()
    | st.sampled_from(["code", "x = 1", "%x", "3", "R"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "tags", "cells"]), inner)
    ),
    max_leaves=5,
)
CELLS = st.fixed_dictionaries(
    {"cell_type": st.just("code") | ANYTHING},
    optional={"source": ANYTHING, "input": ANYTHING, "metadata": ANYTHING},
)


@given(
    st.fixed_dictionaries(
        {"nbformat": st.sampled_from([3, 4]) | ANYTHING, "cells": st.lists(CELLS) | ANYTHING},
        optional={
            "worksheets": st.lists(st.fixed_dictionaries({"cells": st.lists(CELLS)})) | ANYTHING,
            "metadata": st.fixed_dictionaries({"kernelspec": ANYTHING, "language_info": ANYTHING}) | ANYTHING,
        },
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_document_is_a_notebook_or_one_clear_error(tmp_path, content):
    (tmp_path / "model.ipynb").write_text(json.dumps(content), encoding="utf-8")
    cells, error = (), "model.ipynb"
    try:
        cells = read_notebook(tmp_path / "model.ipynb").cells
    except NotebookError as caught:
        error = str(caught)
    assert error.startswith("model.ipynb")
    assert "\n" not in error
    assert all(cell.python.count("\n") == cell.source.count("\n") for cell in cells)
