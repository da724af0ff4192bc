import subprocess
import sys
from pathlib import Path

import pytest
from nbslim.analyzer.errors import RequirementsError
from nbslim.analyzer.existing import find_environment
from uv import find_uv_bin


def folder(path):
    path.mkdir(parents=True)
    return path


@pytest.fixture
def site(tmp_path):
    """A prefix as it is on Linux and macOS, with one folder for distributions."""
    return folder(tmp_path / "env/lib/python3.11/site-packages")


@pytest.fixture
def prefix(site):
    return site.parents[2]


def test_prefix_is_found_with_its_minor_version(prefix, site):
    found = find_environment(prefix)
    assert (found.site_packages, found.python) == ((site,), "3.11")


@pytest.mark.parametrize("key", ["version = 3.11.4", "version_info = 3.11.4.final.0", "version_info=3.11.4"])
def test_settings_tell_the_exact_version(prefix, key):
    (prefix / "pyvenv.cfg").write_text(f"home = /usr/bin\n{key}\n")
    assert find_environment(prefix).python == "3.11.4"


def test_conda_notes_the_exact_version(prefix):
    (folder(prefix / "conda-meta") / "python-3.11.9-h955ad1f_0.json").write_text("{}")
    assert find_environment(prefix).python == "3.11.9"


def test_name_of_an_installation_tells_the_exact_version(tmp_path):
    folder(tmp_path / "cpython-3.12.5-linux-x86_64-gnu/lib/python3.12/site-packages")
    assert find_environment(tmp_path / "cpython-3.12.5-linux-x86_64-gnu").python == "3.12.5"


def test_folder_of_distributions_is_an_environment_by_itself(site):
    (site.parents[2] / "pyvenv.cfg").write_text("version = 3.11.4\ninclude-system-site-packages = true\n")
    found = find_environment(site)
    assert (found.site_packages, found.python) == ((site,), "3.11.4")


def test_any_folder_that_holds_distributions_will_do(tmp_path):
    folder(tmp_path / "vendored/six-1.0.dist-info")
    found = find_environment(tmp_path / "vendored")
    assert (found.site_packages, found.python) == ((tmp_path / "vendored",), None)


def test_windows_layout_is_read(tmp_path):
    site = folder(tmp_path / "env/Lib/site-packages")
    (folder(tmp_path / "env/Scripts") / "python.exe").touch()
    (tmp_path / "env/pyvenv.cfg").write_text("home = C:\\Python\nversion = 3.12.1\n")
    assert find_environment(tmp_path / "env").site_packages == (site,)
    assert find_environment(tmp_path / "env/Scripts/python.exe").site_packages == (site,)


def test_system_packages_come_after_where_the_environment_has_them(prefix, site, tmp_path):
    shared = folder(tmp_path / "base/lib/python3.11/dist-packages")
    folder(tmp_path / "base/lib/python3.10/dist-packages")
    settings = f"home = {tmp_path}/base/bin\nversion = 3.11.4\ninclude-system-site-packages ="
    (prefix / "pyvenv.cfg").write_text(f"{settings} false\n")
    assert find_environment(prefix).site_packages == (site,)
    (prefix / "pyvenv.cfg").write_text(f"{settings} true\n")
    assert find_environment(prefix).site_packages == (site, shared)


def test_second_name_of_a_folder_is_not_read_twice(prefix, site):
    (prefix / "lib64").symlink_to(prefix / "lib")
    assert find_environment(prefix).site_packages == (site,)


def test_newest_of_several_pythons_counts_unless_the_link_says_otherwise(prefix):
    newer = folder(prefix / "lib/python3.13/site-packages")
    assert find_environment(prefix).site_packages == (newer,)
    (folder(prefix / "bin") / "python3.11").touch()
    (prefix / "bin/python3").symlink_to("python3.11")
    assert find_environment(prefix).python == "3.11"


@pytest.mark.parametrize("name", ["missing", "notebook.ipynb", "empty"])
def test_what_is_no_environment_is_refused(tmp_path, name):
    (tmp_path / "notebook.ipynb").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequirementsError, match=name) as refused:
        find_environment(tmp_path / name)
    assert "site-packages" in refused.value.hint


@pytest.mark.parametrize("seed", [(), ("--system-site-packages",)])
def test_search_path_is_that_of_the_real_interpreter(tmp_path, seed):
    command = [find_uv_bin(), "venv", "--quiet", "--no-project", "--python", sys.executable, *seed]
    subprocess.run([*command, tmp_path / "env"], check=True)
    python = tmp_path / "env/bin/python"
    say = "import sys, platform; print(platform.python_version(), *(p for p in sys.path if 'packages' in p[-9:]))"
    version, *folders = subprocess.check_output([python, "-s", "-c", say], text=True).split()
    for path in (tmp_path / "env", python):
        found = find_environment(path)
        assert [path.resolve() for path in found.site_packages] == [Path(one).resolve() for one in folders]
        assert found.python == version
