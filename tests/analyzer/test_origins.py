"""Distributions that come from no index, in a real environment."""

import json
import subprocess
import sys

import pytest
from nbslim.analyzer.distributions import read_installed
from nbslim.analyzer.existing import find_environment
from nbslim.analyzer.origins import read_origin
from uv import find_uv_bin

SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'


def project(folder, name, files, backend=SETUPTOOLS, more=""):
    for file, text in files.items():
        (folder / name / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / file).write_text(text)
    about = f'{backend}[project]\nname = "{name}"\nversion = "1.2"\n{more}'
    (folder / name / "pyproject.toml").write_text(about)
    return folder / name


def git(folder, *arguments):
    identity = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "init.defaultBranch=main"]
    said = subprocess.run(
        ["git", "-C", folder, *identity, *arguments], check=True, capture_output=True, text=True
    )
    return said.stdout.strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("origins")


@pytest.fixture(scope="module")
def commit(folder):
    repository = project(folder, "versioned", {"versioned/__init__.py": ""})
    git(repository, "init")
    git(repository, "add", ".")
    git(repository, "commit", "--message", "First")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture(scope="module")
def environment(folder, commit):
    """An environment with one distribution of each kind."""
    flat = '[tool.setuptools]\npackages = ["flat", "flat.inner"]\npy-modules = ["flat_module"]\n'
    files = {"flat/__init__.py": "", "flat/inner/__init__.py": "", "flat_module.py": "", "unrelated/x.py": ""}
    editable = [
        project(folder, "flat-project", files, more=flat),
        project(folder, "src-project", {"src/in_src/__init__.py": ""}),
        project(folder, "namespaced", {"src/shared_space/mine/__init__.py": ""}, HATCHLING,
                '[tool.hatch.build.targets.wheel]\npackages = ["src/shared_space"]\n'),
    ]  # fmt: skip
    left = project(folder, "left", {"both/__init__.py": "", "both/core.py": "side = 'left'\n"}, more=both())
    right = project(
        folder, "right", {"both/__init__.py": "", "both/core.py": "side = 'right'\n"}, more=both()
    )
    uv, env = [find_uv_bin(), "--quiet"], folder / "env"
    subprocess.run([*uv, "venv", "--no-project", "--python", sys.executable, env], check=True)
    install = [*uv, "pip", "install", "--python", env]
    subprocess.run([*install, *(word for path in editable for word in ("--editable", path))], check=True)
    subprocess.run([*install, f"versioned @ git+file://{folder}/versioned@{commit}"], check=True)
    subprocess.run([*install, right], check=True)
    subprocess.run([*install, left], check=True)
    return env


def both():
    return '[tool.setuptools]\npackages = ["both"]\n'


@pytest.fixture(scope="module")
def installed(environment):
    return read_installed(find_environment(environment).site_packages)


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("flat", "flat-project"),
        ("flat.inner.x", "flat-project"),
        ("flat_module", "flat-project"),
        ("in_src", "src-project"),
        ("shared_space.mine", "namespaced"),
        ("versioned", "versioned"),
        ("unrelated", None),
    ],
)
def test_module_is_owned_wherever_it_lies(installed, module, owner):
    assert installed.owner(module) == owner


@pytest.mark.parametrize("module", ["flat", "flat_module", "in_src", "shared_space.mine"])
def test_file_is_the_one_that_python_loads(installed, environment, module):
    say = f"import {module} as module; print(module.__file__)"
    loaded = subprocess.check_output([environment / "bin/python", "-c", say], text=True).strip()
    assert installed.locate(module).file == loaded


def test_editable_distribution_names_its_folder(installed, folder):
    origin = installed.distributions["src-project"].origin
    assert origin.editable
    assert origin.url == (folder / "src-project").as_uri()


def test_repository_is_named_with_its_commit(installed, folder, commit):
    origin = installed.distributions["versioned"].origin
    assert not origin.editable
    assert origin.reference == f"git+file://{folder}/versioned@{commit}"


def test_owner_of_a_file_of_two_is_the_one_that_was_installed_last(installed):
    assert installed.owner("both.core") == "left"
    assert installed.rivals("both") == ("left", "right")


def test_development_installation_of_old_is_found(tmp_path):
    site, source = tmp_path / "env/lib/python3.11/site-packages", tmp_path / "source"
    site.mkdir(parents=True)
    (source / "old.egg-info").mkdir(parents=True)
    (source / "old.egg-info/PKG-INFO").write_text("Name: old\nVersion: 0.1\n")
    (source / "old.egg-info/top_level.txt").write_text("old\n")
    (source / "old.py").touch()
    (site / "easy-install.pth").write_text(f"# comment\nimport sys\n{source}\n/gone\n")
    installed = read_installed([site])
    assert installed.owner("old") == "old"
    assert installed.distributions["old"].origin.editable


@pytest.mark.parametrize(
    ("told", "reference"),
    [
        (
            {"url": "https://a.org/x.whl", "archive_info": {"hashes": {"sha256": "ab"}}},
            "https://a.org/x.whl#sha256=ab",
        ),
        (
            {"url": "https://a.org/r", "vcs_info": {"vcs": "hg", "commit_id": "12"}, "subdirectory": "x"},
            "hg+https://a.org/r@12#subdirectory=x",
        ),
        ({"url": "https://me:secret@a.org/x.whl", "archive_info": {}}, "https://a.org/x.whl"),
        (
            {"url": "ssh://git@a.org/r", "vcs_info": {"vcs": "git", "commit_id": "1"}},
            "git+ssh://git@a.org/r@1",
        ),
        ({"url": "file:///home/me/x", "dir_info": {}}, "file:///home/me/x"),
    ],
)
def test_reference_is_what_pip_reads(told, reference):
    assert read_origin(json.dumps(told)).reference == reference


@pytest.mark.parametrize("text", [None, "", "no JSON", "[]", '{"url": 1}'])
def test_odd_notes_are_passed_over(text):
    assert read_origin(text) is None
