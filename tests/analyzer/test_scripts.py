"""Scripts are read as the notebooks that editors show them as."""

import subprocess
import sys

import pytest
from nbslim.analyzer.closure import find_closure
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.notebook import read_notebook


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, name="model.py"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_notebook(path)

    return write_and_read


def sources(notebook):
    return [cell.source for cell in notebook.cells]


FRONT_MATTER = """\
# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: {language}
#     name: {name}
# ---

"""


def test_cells_are_those_of_code(read):
    script = "# %% [markdown]\n# text\n\n# %%\nx = 1\n\n# %% [raw]\n# raw\n\n# %% a title\ny = 2\n# %% [md]\n# end\n"
    assert sources(read(script)) == ["x = 1", "y = 2"]


def test_code_before_the_first_marker_is_a_cell(read):
    assert sources(read("import a\n\n# %%\nx = 1")) == ["import a", "x = 1"]


@pytest.mark.parametrize(
    "marker", ["# %%", "#%%", "#%% title", "# In[1]:", "# In[ ]:", "# <codecell>", "# %% [code] {}"]
)
def test_marker_of_every_editor_begins_a_cell(read, marker):
    assert sources(read(f"{marker}\nx = 1\n{marker}\ny = 2\n"))[-1] == "y = 2"


@pytest.mark.parametrize("option", ['tags=["parameters", "a"]', '{"tags": ["parameters", "a"]}'])
def test_cell_carries_its_tags(read, option):
    (cell,) = read(f"# %% title {option}\nx = 1\n" if "=" in option else f"# %% {option}\nx = 1\n").cells
    assert cell.tags == {"parameters", "a"}


def test_magics_that_are_commented_out_are_magics(read):
    script = "# %%\n# %matplotlib inline\n# !pip install a\nif x:\n    # %cd data\n\n# %%\n# %%time\nx = 1\n"
    first, second = read(script).cells
    assert (first.source, second.source) == (
        "%matplotlib inline\n!pip install a\nif x:\n    %cd data",
        "%%time\nx = 1",
    )
    assert (first.installs, second.python) == ((("a", 2),), "\nx = 1")


def test_magic_as_vs_code_writes_it_is_a_magic(read):
    assert sources(read("#%%\n#!%matplotlib inline\n#!%%a\nx = 1")) == ["%matplotlib inline\n%%a\nx = 1"]


def test_cell_of_another_language_is_no_python(read):
    (cell,) = read('# %% language="bash"\n# pip install a\n').cells
    assert (cell.source, cell.python, cell.installs) == ("%%bash\npip install a", "\n", (("a", 2),))


def test_front_matter_is_no_cell(read):
    script = FRONT_MATTER.format(language="python", name="python3") + "# %%\nx = 1\n"
    assert sources(read(script)) == ["x = 1"]
    assert sources(read(script.replace("percent", "light").replace("# %%\n", ""))) == ["x = 1"]


def test_other_kernel_in_the_front_matter_is_refused_by_name(read):
    with pytest.raises(NotebookError, match=r"^model\.py: its kernel is R, not Python$"):
        read(FRONT_MATTER.format(language="R", name="ir") + "# %%\nx <- 1\n")


def test_front_matter_that_cannot_be_read_is_refused_in_one_line(read):
    script = FRONT_MATTER.format(language="python", name="python3").replace("percent", "[")
    with pytest.raises(NotebookError, match=r"^model\.py: cannot be read as a notebook: .+$"):
        read(script + "x = 1\n")


def test_script_without_markers_is_one_cell_with_the_lines_of_the_file(read):
    script = (
        "#!/usr/bin/env python\n# !pip install a\n\n'''\ntext\n'''\nx = 1\n\n\ndef predictor(x): return y\n"
    )
    notebook = read(script)
    assert (sources(notebook), notebook.cells[0].installs) == ([script], ())
    assert find_closure(notebook).entry_points["predictor"].line == 10


def test_lines_count_within_their_cell(read):
    notebook = read("# %%\nx = 1\n\n# %%\n# %time x\ndef predictor(x): return x\n")
    assert str(find_closure(notebook).entry_points["predictor"]) == "cell 2, line 2"


def test_encoding_and_line_ends_are_those_of_python(read):
    assert sources(read("# -*- coding: latin-1 -*-\nx = 'é'\r\n".encode("latin-1")))[0].endswith("x = 'é'\n")
    assert sources(read(b"\xef\xbb\xbf# %%\r\nx = 1\r\n")) == ["x = 1"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"x = '\xe9'", "is not a Python script: it is not UTF-8 text"),
        (b"# coding: nothing\n", "is not a Python script: it is not UTF-8 text"),
        ("x = 1".encode("utf-16"), "is not a Python script: it is not UTF-8 text"),
        (b"\x7fELF\0\0", "is not a Python script: it holds null bytes"),
    ],
)
def test_what_is_no_script_is_refused(read, content, problem):
    with pytest.raises(NotebookError) as caught:
        read(content)
    assert str(caught.value) == f"model.py: {problem}"


@pytest.mark.parametrize(
    ("name", "converter"),
    [
        ("model.md", "jupytext --to ipynb model.md"),
        ("model.Rmd", "jupytext --to ipynb model.Rmd"),
        ("model.qmd", "quarto convert model.qmd"),
    ],
)
def test_other_text_is_refused_with_what_converts_it(read, name, converter):
    with pytest.raises(NotebookError, match="is not a notebook") as caught:
        read("```python\nx = 1\n```", name)
    assert caught.value.hint == f"convert it: {converter}"


def test_text_of_unknown_kind_is_refused_with_what_is_read(read):
    with pytest.raises(NotebookError, match=r"^model\.txt: is not a notebook: it is not JSON$") as caught:
        read("x = 1", "model.txt")
    assert caught.value.hint == "nbslim reads Jupyter notebooks (.ipynb) and Python scripts (.py)"


def test_jupytext_is_loaded_for_marked_scripts_alone(read, tmp_path):
    read("x = 1\n")
    code = (
        "import sys; from pathlib import Path; from nbslim.analyzer import read_notebook;"
        f"read_notebook(Path({str(tmp_path / 'model.py')!r})); sys.exit('jupytext' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
