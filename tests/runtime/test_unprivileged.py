"""The runtime as an image starts it, or a platform that trusts nobody: any user, group 0, and nothing else."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from client import ask
from ordinary_user import NOBODY, SYSTEM_PYTHON, needs_root, needs_system_python

pytestmark = [needs_root, needs_system_python]
NOTHING = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--no-new-privs")
RUNTIME = Path(__file__).parents[2] / "runtime"


@pytest.fixture(name="readable", scope="module")
def _readable():
    """A folder that all may read and nobody may write, with what the runtime needs."""
    folder = Path(tempfile.mkdtemp(prefix="nbslim-anybody-"))
    try:
        shutil.copytree(RUNTIME, folder / "nbslim/runtime", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("falcon", "waitress", "cloudpickle"):
            (origin,) = importlib.util.find_spec(name).submodule_search_locations
            shutil.copytree(origin, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_any_user_of_group_0_serves_without_home_capabilities_or_a_folder_to_write(
    workers, bundle, readable, serving
):
    running = subprocess.check_output(
        [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], text=True
    )
    if running.split() != [str(number) for number in sys.version_info[:2]]:
        pytest.skip("the system's Python is of another version than the bundle")
    source = """
        def predictor(path):
            import os
            try:
                open(path, "w")
            except OSError as error:
                return [os.getuid(), os.getgid(), os.environ.get("HOME"), error.strerror]
    """
    served = shutil.copytree(bundle(source), readable / f"bundle-{workers}")
    subprocess.run(["chmod", "--recursive", "a=rX", readable], check=True)
    user = ["setpriv", f"--reuid={NOBODY - 1}", "--regid=0", "--clear-groups", *NOTHING]
    bare = ["env", "--unset=HOME", "--unset=USER", f"PYTHONPATH={readable}", "TMPDIR=/nowhere"]
    with serving(served, prefix=[*user, *bare], python=SYSTEM_PYTHON, NBSLIM_WORKERS=workers) as server:
        assert "toy listens on" in server.said
        found = ask(server.port, "/predict", f'"{readable}/new"'.encode())
        assert found.body == b'[%d,0,null,"Permission denied"]' % (NOBODY - 1)
        assert {line for line in capabilities(server.process.pid) if line.strip("0")} == set()
        server.process.terminate()
        assert server.process.wait(60) == 0
        assert server.process.stderr.read() == ""
    assert list(readable.rglob("__pycache__")) == []


def capabilities(process):
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.startswith("Cap")]
    assert len(found) == 5
    return found
