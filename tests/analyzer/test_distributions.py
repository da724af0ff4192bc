import json
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nbslim.analyzer.distributions import read_installed
from uv import find_uv_bin


@pytest.fixture
def install(tmp_path):
    """Write a distribution's metadata and files, as an installer leaves them; returns the folder."""

    def install(name, *files, version="1.0", requires=(), record=True, folder=tmp_path, **more):
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        headers = [f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {one}" for one in requires)]
        (info / "METADATA").write_text("\n".join(headers) + "\n\nName: not-a-header\n")
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(b"1234567890")
        if record:
            (info / "RECORD").write_text("".join(f"{file},sha256=x,10\n" for file in files))
        for key, text in more.items():
            (info / f"{key}.txt").write_text(text)
        return folder

    return install


def test_distribution_is_named_in_normal_form(install):
    installed = read_installed([install("Ruamel.YAML_x", version="2.0rc1")])
    assert installed.names == ("ruamel-yaml-x",)
    assert installed.version("Ruamel.YAML_x") == "2.0rc1"


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("sklearn/__init__.py", "sklearn.cluster"),
        ("six.py", "six.moves"),
        ("fast.cpython-311-x86_64-linux-gnu.so", "fast"),
        ("pkg/fast.abi3.so", "pkg.fast"),
        ("pkg/fast.pyd", "pkg.fast"),
        ("nvidia/cublas/lib.py", "nvidia.cublas"),
        ("sourceless/__init__.pyc", "sourceless"),
        ("yaml/__init__.py", "yaml"),
    ],
)
def test_module_is_owned_by_its_file(install, file, module):
    installed = read_installed([install("Some_Dist", file)])
    assert installed.owner(module) == "some-dist"
    assert installed.provides(module)


@pytest.mark.parametrize("module", ["other", "numpy.libs", "pkg_", "lib", "bin", "some_dist"])
def test_what_nobody_installed_has_no_owner(install, module):
    folder = install("Some_Dist", "pkg/__init__.py", "numpy.libs/libblas.so", "libblas.so.3", "bin/tool")
    installed = read_installed([folder])
    assert installed.owner(module) is None
    assert not installed.provides(module)


def test_namespace_is_told_apart_by_files(install):
    install("google-cloud-storage", "google/cloud/storage/__init__.py")
    install("google-cloud-bigquery", "google/cloud/bigquery/__init__.py")
    installed = read_installed([install("protobuf", "google/protobuf/__init__.py")])
    assert installed.owner("google.cloud.storage.client") == "google-cloud-storage"
    assert installed.owner("google.protobuf") == "protobuf"
    assert installed.owner("google.cloud") is None
    assert installed.provides("google.cloud")
    assert not installed.provides("google.cloud.vision")


def test_plugin_in_a_package_of_another_is_its_own(install):
    install("base", "base/__init__.py")
    installed = read_installed([install("plugin", "base/plugin/__init__.py")])
    assert installed.owner("base.plugin.x") == "plugin"
    assert installed.owner("base.core") == "base"


def test_top_level_stands_in_for_a_missing_record(install):
    installed = read_installed([install("conda-made", record=False, top_level="made\n_made\n")])
    assert installed.owner("made.x") == "conda-made"


def test_first_folder_wins(install, tmp_path):
    first = install("x", version="1.0", folder=tmp_path / "first")
    second = install("x", version="2.0", folder=tmp_path / "second")
    assert read_installed([first, second]).version("x") == "1.0"


def test_bytes_are_files_that_exist_and_their_bytecode(install, tmp_path):
    folder = install("x", "x/__init__.py", "x/data.bin", "../bin/x", "gone.py", folder=tmp_path / "site")
    (folder / "gone.py").unlink()
    cache = folder / "x/__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"1" * 100)
    (cache / "stranger.cpython-311.pyc").write_bytes(b"1" * 1000)
    assert read_installed([folder]).bytes("x") == 3 * 10 + 100


def test_bytecode_in_record_counts_once(install):
    folder = install("x", "x.py", "__pycache__/x.cpython-311.pyc")
    assert read_installed([folder]).bytes("x") == 20


def test_requirements_are_followed_to_the_end(install):
    for name, needs in {"a": ["b>=1"], "b": ["C"], "c": ["a", "gone"], "d": ["c"]}.items():
        folder = install(name, requires=needs)
    installed = read_installed([folder])
    assert installed.required_by_all(["b"]) == {"a", "b", "c"}
    assert installed.required_by_all(["d"]) == {"a", "b", "c"}
    assert installed.required_by("c") == ("b", "d")
    assert installed.required_by("d") == ()


def test_extras_are_followed_on_the_edge_that_asks_for_them(install):
    install("torch", requires=["cuda-toolkit[cudart]"])
    install("cuda_toolkit", requires=['runtime; extra == "cudart"', 'fft; extra == "cufft"'])
    install("runtime")
    installed = read_installed([install("fft")])
    assert installed.required_by_all(["torch"]) == {"cuda-toolkit", "runtime"}
    assert installed.required_by_all(["cuda-toolkit"]) == set()
    assert installed.required_by_all(["Cuda_Toolkit[cufft]"]) == {"fft"}
    assert installed.required_by("runtime") == ("cuda-toolkit",)


def test_extra_that_names_its_own_distribution_is_followed(install):
    install("x", requires=['x[one]; extra == "all"', 'one; extra == "one"'])
    assert read_installed([install("one")]).required_by_all(["x[all]"]) == {"x", "one"}


@pytest.mark.parametrize(
    ("marker", "python", "counts"),
    [
        ('python_version < "3.10"', "3.9", True),
        ('python_version < "3.10"', "3.11", False),
        ('python_full_version < "3.11.3"', "3.11", False),
        ('python_full_version < "3.11.3"', "3.11.2", True),
        (f'platform_system == "{platform.system()}"', "3.11", True),
        ('sys_platform == "plan9"', "3.11", False),
    ],
)
def test_markers_are_those_of_the_environment(install, marker, python, counts):
    install("x", requires=[f"y; {marker}"])
    assert read_installed([install("y")], python=python).required_by_all(["x"]) == (
        {"y"} if counts else set()
    )


def test_odd_metadata_are_passed_over(install, tmp_path):
    install("x", requires=["y (<broken", "y ~~ 3", "*"])
    (tmp_path / "half-1.0.dist-info").mkdir()
    installed = read_installed([install("y"), tmp_path / "nowhere"])
    assert installed.names == ("x", "y")
    assert installed.required_by_all(["x"]) == set()


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv = [find_uv_bin(), "--quiet"]
    subprocess.run([*uv, "venv", "--no-project", "--python", sys.executable, folder], check=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([*uv, "pip", "install", "--python", python, "jsonschema", "python-dateutil"], check=True)
    return python


@pytest.fixture(scope="module")
def site_packages(environment):
    command = [environment, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    return [Path(subprocess.check_output(command, text=True).strip())]


def test_real_environment_is_read(site_packages):
    installed = read_installed(site_packages)
    assert installed.owner("dateutil.parser") == "python-dateutil"
    assert installed.owner("rpds") == "rpds-py"
    assert "referencing" in installed.required_by_all(["jsonschema"])
    assert installed.required_by("attrs") == ("jsonschema", "referencing")
    assert installed.bytes("jsonschema") > 100_000


def test_edges_are_those_of_pipdeptree(environment, site_packages):
    own = read_installed(site_packages, python=platform.python_version())
    said = subprocess.check_output(
        [sys.executable, "-m", "pipdeptree", "--python", environment, "--output", "json"]
    )
    theirs = {(p["package"]["key"], d["key"]) for p in json.loads(said) for d in p["dependencies"]}
    assert {(source, name) for name in own.names for source in own.required_by(name)} == theirs


def test_a_hundred_distributions_are_read_within_half_a_second(install):
    for n in range(100):
        files = [f"d{n}/m{m}.py" for m in range(20)]
        folder = install(
            f"d{n}", *files, requires=[f"d{n + 1}[a]", *(f'd{m}; extra == "b"' for m in range(20))]
        )
    start = time.process_time()
    installed = read_installed([folder])
    assert len(installed.required_by_all(["d0"])) == 99
    assert installed.owner("d7.m3") == "d7"
    assert time.process_time() - start < 0.5
