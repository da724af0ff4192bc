"""Requirements are found where the user declared them."""

from pathlib import Path

import pytest
from nbslim.analyzer.errors import NotebookError
from nbslim.analyzer.magics import to_python
from nbslim.analyzer.requirements import declared_requirements
from nbslim.analyzer.types import Cell, Notebook


def notebook_of(*sources, folder=Path("/nowhere")):
    transformed = [(source, to_python(source)) for source in sources]
    cells = (
        Cell(
            number,
            source,
            cell.python,
            written=cell.written and (cell.written.file, cell.written.text),
            installs=cell.installs,
        )
        for number, (source, cell) in enumerate(transformed, start=1)
    )
    return Notebook(folder / "model.ipynb", tuple(cells), None)


def declared(*sources, folder=Path("/nowhere"), modules=()):
    return declared_requirements(notebook_of(*sources, folder=folder), modules)


@pytest.fixture
def beside(tmp_path):
    """Write files, and find what a notebook beside them declares."""

    def write_and_find(files, *sources, modules=()):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        return declared(*sources, folder=tmp_path, modules=modules)

    return write_and_find


@pytest.mark.parametrize(
    ("item", "specifier"),
    [
        ('["numpy", "2.1.0"]', "numpy==2.1.0"),
        ('("numpy", "2.1.0")', "numpy==2.1.0"),
        ('["numpy", ">=2, <3"]', "numpy<3,>=2"),
        ('["numpy", "~=2.1"]', "numpy~=2.1"),
        ('["numpy", " 2.* "]', "numpy==2.*"),
        ('["numpy"]', "numpy"),
        ('["numpy", None]', "numpy"),
        ('["numpy", ""]', "numpy"),
        ('"numpy"', "numpy"),
        ('"numpy >= 2"', "numpy>=2"),
        ('"uvicorn[standard]"', "uvicorn[standard]"),
        ('["uvicorn[standard]", "0.30"]', "uvicorn[standard]==0.30"),
        ("\"x; python_version<'3.12'\"", 'x; python_version < "3.12"'),
        ('["x; python_version<\'3.12\'", "1"]', 'x==1; python_version < "3.12"'),
    ],
)
def test_item_of_a_cell_becomes_a_specifier(item, specifier):
    assert declared(f"requirements = [{item}]").specifiers == (specifier,)


@pytest.mark.parametrize(
    "assignment", ["requirements = ('a',)", "requirements: list = ['a']", "x = requirements = ['a']"]
)
def test_assignment_may_take_other_forms(assignment):
    assert declared(assignment).specifiers == ("a",)


def test_last_assignment_wins():
    found = declared(
        "requirements = ['a']\nrequirements = ['b']", "def (", "%matplotlib inline\nrequirements = ['c']"
    )
    assert (found.specifiers, found.source) == (("c",), "cell 3")


def test_empty_list_declares_that_nothing_is_required(beside):
    assert beside({"requirements.txt": "a"}, "requirements = []").specifiers == ()


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ('["numpy", 2]', "`['numpy', 2]` is not a requirement"),
        ('["a", "1", "2"]', "`['a', '1', '2']` is not a requirement"),
        ("[]", "`[]` is not a requirement"),
        ("7", "`7` is not a requirement"),
        ("{'a': '1'}", "`{'a': '1'}` is not a requirement"),
        ('""', "`''` is not a requirement"),
        ('"numpyy=="', "`'numpyy=='` is not a requirement"),
        ('["numpy", "latest one"]', "`['numpy', 'latest one']` is not a requirement"),
        (
            '["a @ https://me:secret@host/a.whl", "1"]',
            "`['a @ https://***@host/a.whl', '1']` is not a requirement",
        ),
        ("name", "`name` is not a literal"),
        ("*names", "`*names` is not a literal"),
    ],
)
def test_bad_item_is_named_with_its_line(item, problem):
    with pytest.raises(NotebookError) as caught:
        declared(f'requirements = [\n    "a",\n    {item},\n]')
    assert str(caught.value) == f"model.ipynb, cell 1, line 3: {problem}"


@pytest.mark.parametrize(
    "value", ["load()", "[['a']] + more", "[x for x in y]", "'numpy'", "{'a': '1'}", "None"]
)
def test_requirements_that_are_no_literal_list_are_refused_with_a_hint(value):
    with pytest.raises(
        NotebookError, match=r"^model.ipynb, cell 2, line 2: `requirements` is not a"
    ) as caught:
        declared("x = 1", f"\nrequirements = {value}")
    assert '["numpy", "2.1.0"]' in caught.value.hint


@pytest.mark.parametrize(
    ("text", "specifiers", "warnings"),
    [
        ("", (), ()),
        ("# comment\n\nnumpy == 2.1.0  # why\npandas\n", ("numpy==2.1.0", "pandas"), ()),
        ("numpy>=2,\\\n  <3\nx", ("numpy<3,>=2", "x"), ()),
        ("# a comment \\\nx", ("x",), ()),
        ("-i https://me:secret@host/\nx", ("x",), ("-i",)),
        ("-ihttps://me:secret@host/\nx", ("x",), ("-i",)),
        (
            "--index-url=https://host/\n--find-links ./a-b\n-c c.txt\nx",
            ("x",),
            ("--index-url", "--find-links", "-c"),
        ),
        ("x==1 --hash=sha256:1 \\\n  --hash=sha256:2\ny --hash=sha256:3", ("x==1", "y"), ("--hash",)),
        ("-e .\nscikit-learn", ("scikit-learn",), ("-e",)),
    ],
)
def test_requirements_file_is_read(beside, text, specifiers, warnings):
    found = beside({"requirements.txt": text})
    assert (found.specifiers, found.source) == (specifiers, "requirements.txt")
    assert found.warnings == tuple(f"requirements.txt: option {name} is passed over" for name in warnings)


@pytest.mark.parametrize(
    "reference", ["-r more/other.txt", "-rmore/other.txt", "--requirement=more/other.txt"]
)
def test_file_that_a_file_names_is_followed(beside, reference):
    files = {
        "requirements.txt": f"a\n{reference}\n",
        "more/other.txt": "b\n-r ../requirements.txt\n-r c.txt",
        "more/c.txt": "c",
    }
    assert beside(files).specifiers == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n./wheel.whl", "requirements.txt, line 2: `./wheel.whl` is not a requirement"),
        ("\\\n\na=1", "requirements.txt, line 3: `a=1` is not a requirement"),
        ("git+https://t:p@host/x", "requirements.txt, line 1: `git+https://***@host/x` is not a requirement"),
        ("\n-r no.txt", "requirements.txt, line 2: cannot read no.txt: No such file or directory"),
    ],
)
def test_bad_line_of_a_file_is_named(beside, text, message):
    with pytest.raises(NotebookError) as caught:
        beside({"requirements.txt": text})
    assert str(caught.value) == message


def test_project_file_stands_in_for_a_requirements_file(beside):
    found = beside({"pyproject.toml": '[project]\ndependencies = ["numpy >= 2", "x[y]"]'}, "%pip install z")
    assert (found.specifiers, found.source) == (("numpy>=2", "x[y]"), "pyproject.toml")


@pytest.mark.parametrize("text", ["[tool.ruff]\n", "[project]\nname = 'a'", "project = 1"])
def test_project_file_without_dependencies_declares_nothing(beside, text):
    assert beside({"pyproject.toml": text}, "%pip install z").source == "%pip install lines"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "is not TOML"),
        ("[project]\ndependencies = ['a b']", "`a b` in .* is not a requirement"),
        ("[project]\ndependencies = [1]", "`1` in .* is not a requirement"),
        ("[project]\ndependencies = 'a'", "is not a list"),
    ],
)
def test_bad_project_file_is_refused(beside, text, message):
    with pytest.raises(NotebookError, match=rf"^pyproject.toml: .*{message}"):
        beside({"pyproject.toml": text})


def test_install_lines_are_read(beside):
    cells = (
        "%pip install -q 'numpy>=2' pandas",
        "x = 1\n!pip install -r more.txt --index-url https://me:secret@host/ .",
    )
    found = beside({"more.txt": "scipy\n"}, *cells, modules=["yaml"])
    assert (found.specifiers, found.source) == (("numpy>=2", "pandas", "scipy"), "%pip install lines")
    assert found.warnings == (
        "model.ipynb, cell 2, line 2: option --index-url is passed over",
        "model.ipynb, cell 2, line 2: `.` is passed over",
    )


def test_install_line_that_names_no_file_is_refused():
    with pytest.raises(NotebookError, match=r"^model.ipynb, cell 1, line 1: cannot read no.txt"):
        declared("%pip install -r no.txt")


@pytest.mark.parametrize(
    ("module", "distribution"),
    [
        ("numpy", "numpy"),
        ("cv2", "opencv-python-headless"),
        ("PIL", "pillow"),
        ("sklearn.cluster", "scikit-learn"),
        ("google.protobuf.message", "protobuf"),
        ("google.cloud.storage", "google-cloud-storage"),
    ],
)
def test_imports_suggest_distributions(module, distribution):
    found = declared(modules=["json", "os.path", "distutils", module])
    assert (found.specifiers, found.source) == ((distribution,), "the imports")
    assert found.warnings == (f"nothing declares the requirements; the imports suggest {distribution}",)


def test_modules_beside_the_notebook_are_no_distributions(beside):
    files = {"helper.py": "", "kit/__init__.py": "", "native.cpython-311.so": "", "data/a.csv": ""}
    modules = ["helper", "kit.words", "native", "written", "package.a", "data"]
    assert beside(
        files, "%%writefile ./written.py\nx = 1", "%%file package/a.py\n", modules=modules
    ).specifiers == ("data",)


def test_module_of_many_owners_is_not_guessed():
    found = declared(modules=["google"])
    assert found.specifiers == ()
    assert found.warnings == ("no distribution is known for the module google; declare it",)


def test_notebook_without_imports_requires_nothing():
    assert declared("x = 1") == declared(modules=["json"])
    assert declared().warnings == ()
