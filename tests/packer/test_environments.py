"""These ask the real index, through the real uv."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbslim.packer.environments import (
    cache_folder,
    make_environment,
    make_runtime,
    runtime_requirements,
)
from nbslim.packer.pythons import find_python, installed_pythons
from nbslim.packer.uv import RequirementsError, run_uv

OWN = find_python("{}.{}".format(*sys.version_info))

MAKE = """
import sys
from pathlib import Path
from nbslim.packer.environments import make_environment
from nbslim.packer.pythons import find_python
make_environment(find_python("%d.%d" % sys.version_info[:2]), ["pygments"], cache=Path(sys.argv[1]))
"""


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def running(command, environment, **options):
    return subprocess.check_output([environment.executable, "-c", command], text=True, **options).strip()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param({"NBSLIM_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a", id="own"),
        pytest.param({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/nbslim", id="xdg"),
        pytest.param({"HOME": "/c"}, "/c/.cache/nbslim", id="home"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other systems keep their caches elsewhere")
def test_cache_folder(environ, expected):
    assert cache_folder(environ) == Path(expected)


@pytest.mark.parametrize("minor", ["3.9", OWN.minor, "3.13"])
def test_environment_runs_the_requirements_and_the_kernel(minor, cache):
    if not any(python.minor == minor for python in installed_pythons()):
        pytest.skip(f"Python {minor} is not installed here")
    environment = make_environment(find_python(minor), ["six==1.16.0"], cache=cache)
    assert environment.folder.parent == cache / "environments"
    assert "six==1.16.0" in environment.lock
    said = running("import ipykernel, six, sys; print(six.__file__, sys.prefix)", environment)
    assert said == f"{environment.site_packages / 'six.py'} {environment.folder}"
    assert list((environment.site_packages / "__pycache__").glob("six.*.pyc"))


def test_environment_is_isolated_from_the_base(cache):
    environment = make_environment(OWN, [], extra=(), cache=cache)
    assert environment.lock == ()
    said = running("import sys; print([p for p in sys.path if 'site-packages' in p])", environment)
    assert said == str([str(environment.site_packages)])


def test_scripts_know_where_they_are(cache):
    environment = make_environment(OWN, ["pygments"], extra=(), cache=cache)
    said = subprocess.check_output([environment.executable.parent / "pygmentize", "-V"], text=True)
    assert said.startswith("Pygments version")


def test_same_requirements_give_the_same_folder_without_installing(cache):
    def only_compile(*arguments, text=""):
        assert arguments[:2] == ("pip", "compile")
        return run_uv(*arguments, text=text)

    first = make_environment(OWN, ["six"], extra=(), cache=cache)
    assert make_environment(OWN, ["six"], extra=(), cache=cache, run=only_compile) == first
    assert make_environment(OWN, ["six<1.17"], extra=(), cache=cache).folder != first.folder
    assert make_environment(OWN, ["six"], extra=(), cache=cache.with_name("other")).folder.is_dir()


def test_source_only_requirement_is_installed_with_a_warning(cache):
    environment = make_environment(OWN, ["docopt==0.6.2"], extra=(), cache=cache)
    assert environment.warnings == ("docopt has no wheel and is built from source",)
    assert (environment.site_packages / "docopt.py").is_file()


def test_failed_installation_leaves_nothing(cache):
    def failing(*arguments, text=""):
        return run_uv(*arguments, *(["--no-such-option"] if "install" in arguments else []), text=text)

    with pytest.raises(RequirementsError, match="--no-such-option"):
        make_environment(OWN, ["six"], extra=(), cache=cache, run=failing)
    assert list((cache / "environments").iterdir()) == []


def test_interrupt_leaves_nothing_half_written(cache):
    folder = cache / "environments"
    with subprocess.Popen([sys.executable, "-c", MAKE, cache], stderr=subprocess.DEVNULL) as process:
        while not list(folder.glob("*.partial/bin")):
            assert process.poll() is None
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGINT)
    assert process.returncode != 0
    assert list(folder.iterdir()) == []


def test_two_at_once_give_one_environment(cache):
    processes = [subprocess.Popen([sys.executable, "-c", MAKE, cache]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    (folder,) = (cache / "environments").iterdir()
    subprocess.run([folder / "bin/python", "-c", "import pygments, ipykernel"], check=True)


def test_runtime_holds_its_dependencies_and_nothing_else(cache):
    folder = make_runtime(OWN, runtime_requirements(), cache=cache)
    assert folder.parent == cache / "runtime"
    modules = {path.name for path in folder.iterdir() if not path.name.endswith(".dist-info")}
    assert modules == {"cloudpickle", "falcon", "waitress"}
    assert not list(folder.rglob("*.pyc"))
    assert make_runtime(OWN, runtime_requirements(), cache=cache) == folder


def test_runtime_requirements_are_those_of_the_extra_alone():
    found = runtime_requirements(lambda _: ["a>=1", 'b>=2,<3; extra == "runtime"', 'c; extra == "other"'])
    assert found == ("b<3,>=2",)
    assert any(requirement.startswith("falcon") for requirement in runtime_requirements())
