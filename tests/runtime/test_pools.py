import os
import subprocess
import sys

import pytest
from nbslim.runtime.pools import VARIABLES, fit_pools, processors

AVAILABLE = len(os.sched_getaffinity(0))


@pytest.fixture(name="cgroup")
def _cgroup(tmp_path):
    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def test_calls_share_the_processors(cgroup):
    environ = {}
    fit_pools(environ, AVAILABLE, cgroup())
    assert environ == (dict.fromkeys(VARIABLES, "1") if AVAILABLE > 1 else {})


def test_one_call_may_use_all_processors_of_the_machine(cgroup):
    environ = {}
    fit_pools(environ, 1, cgroup())
    assert environ == ({} if os.cpu_count() == AVAILABLE else {name: str(AVAILABLE) for name in VARIABLES})


def test_what_the_user_set_stays(cgroup):
    environ = {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": ""}
    fit_pools(environ, 1000, cgroup())
    assert environ["OMP_NUM_THREADS"] == "7"
    assert environ["MKL_NUM_THREADS"] == ""
    if AVAILABLE > 1:
        assert environ["OPENBLAS_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({"cpu_dot_max": "50000 100000\n"}, 1),
        ({"cpu_dot_max": "100000 100000\n"}, 1),
        ({"cpu_dot_max": "max 100000\n"}, AVAILABLE),
        ({"cpu_dot_max": "99999999 100000\n"}, AVAILABLE),
        ({"cpu__cpu_dot_cfs_quota_us": "100000\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, 1),
        ({"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, AVAILABLE),
        ({"cpu_dot_max": "what?\n"}, AVAILABLE),
        ({}, AVAILABLE),
    ],
)
def test_quota_of_a_container_counts(files, number, cgroup):
    assert processors(cgroup(**files)) == number


def test_affinity_counts():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    code += "from nbslim.runtime.pools import processors; print(processors())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"


def test_predictor_is_loaded_after_the_pools_were_fitted(bundle, serving):
    predictor = """
        def predictor(name):
            import os
            return os.environ.get(name)
    """
    from client import ask

    with serving(bundle(predictor), NBSLIM_WORKERS="2", NBSLIM_THREADS=str(AVAILABLE)) as server:
        found = ask(server.port, "/predict", b'"OMP_NUM_THREADS"').body
        assert found == (b'"1"' if AVAILABLE > 1 else b"null")
