"""Notebooks of all ages are read, and what is no notebook is refused in one line."""

import json

import pytest
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


def test_byte_order_mark_is_passed_over(read):
    assert read("\ufeff" + json.dumps(document(code("x")))).cells


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
    ],
)
def test_other_kernel_is_refused_by_name(read, metadata, name):
    with pytest.raises(NotebookError, match=f"^model.ipynb: its kernel is {name}, not Python$"):
        read(document(**metadata))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("this is text", "is not a notebook: it is not JSON"),
        ("", "is not a notebook: it is not JSON"),
        ("[" * 100_000, "is not a notebook: it is not JSON"),
        ("[1]", "is not a notebook: it names no nbformat"),
        ({"a": 1}, "is not a notebook: it names no nbformat"),
        ({"nbformat": 9}, "is of nbformat 9, which nbslim does not read"),
        ({"nbformat": 4, "cells": 3}, "is not a valid notebook: "),
        ({"nbformat": 4, "cells": [7]}, "is not a valid notebook: "),
        ({"nbformat": 4, "cells": None}, "is not a valid notebook: "),
        ({"nbformat": 4, "cells": [code(3)]}, "is not a valid notebook: a cell's source is not text"),
        ({"nbformat": 4, "cells": [code([1])]}, "is not a valid notebook: "),
        ({"nbformat": 3, "worksheets": [3]}, "is not a valid notebook: "),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(read, content, problem):
    with pytest.raises(NotebookError) as caught:
        read(content)
    assert str(caught.value).startswith(f"model.ipynb: {problem}")
    assert "\n" not in str(caught.value)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(NotebookError, match=r"^no.ipynb: cannot be read: No such file or directory$"):
        read_notebook(tmp_path / "no.ipynb")


def test_directory_is_refused(tmp_path):
    with pytest.raises(NotebookError, match="cannot be read: Is a directory"):
        read_notebook(tmp_path)


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "model.ipynb").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotebookError, match="is not JSON"):
        read_notebook(tmp_path / "model.ipynb")
