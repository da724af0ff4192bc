import subprocess
import sys

import pytest
from nbslim.runtime.paths import add_distributions

pytestmark = pytest.mark.usefixtures("unchanged_path")


@pytest.fixture(name="lib")
def _lib(tmp_path):
    (tmp_path / "lib" / "inner").mkdir(parents=True)
    (tmp_path / "lib" / "some.pth").write_text("inner\nimport sys; sys.pth_was_run = True\n")
    return tmp_path / "lib"


def test_pth_files_work_and_the_order_stays(lib):
    sys.path[:] = ["/modules", str(lib), "/runtime"]
    add_distributions({"NBSLIM_DISTRIBUTIONS": str(lib)})
    assert sys.path == ["/modules", str(lib), str(lib / "inner"), "/runtime"]
    assert vars(sys).pop("pth_was_run")


def test_missing_folder_changes_nothing(tmp_path):
    before = list(sys.path)
    add_distributions({"NBSLIM_DISTRIBUTIONS": str(tmp_path / "nowhere")})
    assert sys.path == before


def test_users_pins_win_over_the_runtimes_own(lib, alone):
    (lib / "waitress.py").write_text("")
    (alone / "waitress.py").write_text("")
    program = (
        "from nbslim.runtime.paths import add_distributions\n"
        f"add_distributions({{'NBSLIM_DISTRIBUTIONS': {str(lib)!r}}})\n"
        "import waitress; print(waitress.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(alone)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    (alone / "waitress.py").unlink()
    assert done.stdout.strip() == str(lib / "waitress.py")
