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


def test_runtime_brings_no_module_that_few_predictors_need(alone):
    """Falcon and waitress bring others, but those leave the image with what is removed from them."""
    modules = ["__main__", "replay", "logs", "removed", "bundle", "metrics"]
    imports = "; ".join(f"import nbslim.runtime.{module}" for module in modules)
    script = f"import sys; {imports}; print(*sys.modules)"
    command = [sys.executable, "-S", "-c", script]
    done = subprocess.run(command, env={"PYTHONPATH": str(alone)}, check=True, capture_output=True, text=True)
    brought = set(done.stdout.split())
    assert "pickle" in brought
    assert brought.isdisjoint(
        {"decimal", "hashlib", "ssl", "asyncio", "concurrent.futures", "uuid", "random"}
    )
