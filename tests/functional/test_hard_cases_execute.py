"""The hard cases, executed: each in a kernel of its own, in one environment that holds all their distributions."""

import ast
import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hard_cases import read_cases, write_case
from nbslim.packer.cache import complete
from nbslim.packer.pythons import find_python
from support import CACHE, run_nbslim
from uv import find_uv_bin

CASES = read_cases("hard-cases.json")
DISTRIBUTIONS = [
    "ipykernel", "numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "seaborn", "joblib", "statsmodels",
    "xgboost", "lightgbm", "imbalanced-learn", "nltk", "networkx", "pyarrow", "openpyxl", "jinja2", "patsy",
    "beautifulsoup4", "lxml", "opencv-python-headless", "pillow", "pyyaml", "pytz", "tqdm", "ipython",
]  # fmt: skip
LARGE = "nvidia-nccl-cu12; sys_platform == 'never'"  # xgboost requires 290 MB that no case uses


@pytest.fixture(scope="session")
def environment():
    def make(folder: Path) -> None:
        override = folder.with_name("override.txt")
        override.write_text(LARGE)
        uv("venv", "--no-project", "--relocatable", "--python", find_python("3.11").executable, folder)
        uv("pip", "install", "--compile-bytecode", "--python", folder, "--override", override, *DISTRIBUTIONS)

    return complete(CACHE / "hard-cases/3.11", make)


def uv(*arguments):
    subprocess.run([find_uv_bin(), *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="session")
def analyzed(environment, tmp_path_factory, request):
    """Analyze a case; with the first of them all others that are selected start, two at a time."""
    here = [item for item in request.session.items if item.path == Path(__file__)]
    chosen = [item.callspec.params["case"] for item in here]

    def analyze(case):
        path = write_case(case, tmp_path_factory.mktemp(case["id"]))
        return run_nbslim("analyze", path, "--execute", "--json", "--env", environment, "--timeout", 120)

    with ThreadPoolExecutor(2) as pool:
        results = {case["id"]: pool.submit(analyze, case) for case in chosen}
        yield lambda case: results[case["id"]].result()


SERVED = [case for case in CASES if case["run"] and not case.get("refuse")]
REFUSED = [case for case in CASES if case.get("refuse")]


@pytest.mark.parametrize("case", SERVED, ids=lambda case: case["id"])
def test_hard_case_is_exact_once_it_ran(case, analyzed):
    result = analyzed(case)
    assert result.returncode == 0, result.stderr
    serving = json.loads(result.stdout)["serving"]
    direct = {module for entry in serving if entry["direct"] for module in entry["imports"]}
    required = {entry["name"] for entry in serving if not entry["direct"]}
    assert {entry["certainty"] for entry in serving} <= {"certain"}
    assert direct & set(case["forbid"]) == set()
    missing = set(case["expect"]) - direct - required
    assert {module for module in missing if not only_annotates(case, module)} == set()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["id"])
def test_hard_case_that_cannot_be_served_is_refused(case, analyzed):
    result = analyzed(case)
    assert result.returncode == (3 if case["refuse"] is True else 4)
    if case["refuse"] is True:
        assert "notebook.ipynb, cell " in result.stderr


def only_annotates(case, module):
    """Tell whether a case names `module` in nothing but annotations, which are no need once they are strings."""
    sources = [cell if isinstance(cell, str) else cell["source"] for cell in case["cells"]]
    tree = WithoutAnnotations().visit(ast.parse("\n".join(sources)))
    imported = [alias for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names = {alias.asname or alias.name for alias in imported if alias.name.partition(".")[0] == module}
    return not any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


class WithoutAnnotations(ast.NodeTransformer):
    def visit_arg(self, node):
        return ast.arg(node.arg)

    def visit_FunctionDef(self, node):
        node.returns = None
        return self.generic_visit(node)
