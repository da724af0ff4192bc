import ast
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = sorted((Path(__file__).parents[2] / "runtime").glob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_module_is_written_for_the_oldest_python(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("module", ["bundle", "encode", "scoring", "replay"])
def test_kernel_and_replay_need_the_standard_library_alone(module, alone):
    command = [sys.executable, "-S", "-c", f"import nbslim.runtime.{module}"]
    subprocess.run(command, env={"PYTHONPATH": str(alone)}, check=True)
