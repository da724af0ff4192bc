"""Distributions as installers of all times and kinds left them."""

import base64
import hashlib
import json

import pytest
from nbslim.analyzer.distributions import read_installed


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "env/lib/python3.11/site-packages"
    folder.mkdir(parents=True)
    return folder


def distribution(site, name, files, *, hashes=True, written=True):
    """Install a distribution of these files (path to text) as pip does, over whatever is there."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
    rows = []
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{file},sha256={digest},{len(text)}" if hashes else f"{file},,")
        if written:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            (site / file).write_text(text)
    (info / "RECORD").write_text("\n".join(rows))


def test_egg_info_folder_tells_modules_by_their_files(site):
    egg = site / "old-1.0.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.1\nName: old\nVersion: 1.0\n")
    (egg / "top_level.txt").write_text("_fast\nold\nsingle\n")
    (egg / "requires.txt").write_text("six\n\n[extra]\nattrs\n")
    for file in (
        "old/__init__.py",
        "old/inner/data.bin",
        "single.py",
        "_fast.cpython-311-x86_64-linux-gnu.so",
    ):
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text("1234567890")
    installed = read_installed([site])
    assert [installed.owner(module) for module in ("old.inner", "single", "_fast")] == ["old"] * 3
    assert installed.bytes("old") == 40
    assert installed.distributions["old"].requires[0] == "six"


def test_egg_info_file_is_found_by_the_name_of_its_module(site):
    (site / "dbus_python-1.3.egg-info").write_text("Name: dbus-python\nVersion: 1.3\n")
    (site / "dbus_python.py").touch()
    installed = read_installed([site])
    assert installed.version("dbus-python") == "1.3"
    assert installed.owner("dbus_python") == "dbus-python"


def test_list_of_installed_files_is_relative_to_the_metadata(site):
    egg = site / "old-1.0.egg-info"
    egg.mkdir()
    (egg / "PKG-INFO").write_text("Name: old\nVersion: 1.0\n")
    (egg / "installed-files.txt").write_text("../pkg/__init__.py\nPKG-INFO\n")
    (site / "pkg").mkdir()
    (site / "pkg/__init__.py").touch()
    assert read_installed([site]).owner("pkg.x") == "old"


def test_parts_of_a_namespace_are_told_apart_by_their_names(site):
    for name in ("lazr.uri", "lazr.config"):
        egg = site / f"{name}-1.0.egg-info"
        egg.mkdir()
        (egg / "PKG-INFO").write_text(f"Name: {name}\nVersion: 1.0\n")
        (egg / "top_level.txt").write_text("lazr\n")
        package = site / name.replace(".", "/")
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    assert read_installed([site]).owner("lazr.config.x") == "lazr-config"


def test_conda_lists_the_files_of_what_it_installed(site):
    for name, files in {"numpy": ["numpy/__init__.py"], "six": ["six.py"]}.items():
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n")
        noted = [f"lib/python3.11/site-packages/{file}" for file in (*files, f"{info.name}/METADATA")]
        note = site.parents[2] / f"conda-meta/{name}-1.0-py311_0.json"
        note.parent.mkdir(exist_ok=True)
        note.write_text(json.dumps({"name": name, "files": [*noted, "bin/tool"]}))
    (site.parents[2] / "conda-meta/history.json").write_text("not JSON")
    installed = read_installed([site])
    assert (installed.owner("numpy.linalg"), installed.owner("six")) == ("numpy", "six")
    assert installed.distributions["six"].files == ("six.py", "six-1.0.dist-info/METADATA")


def test_modules_in_a_folder_that_a_pth_file_adds_are_top_level(site):
    files = {
        "win.pth": "win32\nwin32/lib\nimport win_bootstrap\n",
        "win32/api.py": "",
        "win32/lib/con.py": "",
    }
    distribution(site, "win", files)
    installed = read_installed([site])
    assert [installed.owner(module) for module in ("api", "con", "win32.lib.con")] == ["win"] * 3
    assert installed.locate("con").file == str(site / "win32/lib/con.py")


@pytest.mark.parametrize(
    ("first", "second", "loaded"),
    [
        ("x.py", "x/__init__.py", "x/__init__.py"),
        ("x/__init__.py", "x.cpython-311-x86_64-linux-gnu.so", "x/__init__.py"),
        ("x.py", "x.abi3.so", "x.abi3.so"),
        ("x.py", "x.pyc", "x.py"),
    ],
)
def test_owner_is_the_one_whose_file_is_loaded(site, first, second, loaded):
    distribution(site, "a", {first: ""})
    distribution(site, "b", {second: ""})
    installed = read_installed([site])
    assert installed.locate("x").file == str(site / loaded)
    assert installed.owner("x") == ("a" if loaded == first else "b")
    assert installed.rivals("x") == ()


def test_earlier_folder_of_the_search_path_is_loaded(site, tmp_path):
    later = tmp_path / "later"
    distribution(site, "b", {"x.py": "1"})
    distribution(later, "a", {"x.py": "2"})
    assert read_installed([site, later]).owner("x") == "b"
    assert read_installed([later, site]).owner("x") == "a"


def test_rivals_for_a_file_are_settled_by_what_is_on_disk(site):
    distribution(site, "cv", {"cv2/__init__.py": "same", "cv2/core.py": "first", "cv2/gui.py": "long first"})
    distribution(
        site, "cv-headless", {"cv2/__init__.py": "same", "cv2/core.py": "later", "cv2/gui.py": "shorter"}
    )
    installed = read_installed([site])
    assert installed.rivals("cv2.gui") == ("cv", "cv-headless")
    assert installed.owner("cv2") == "cv-headless"
    (site / "cv2/core.py").write_text("first")
    assert installed.owner("cv2") == "cv"
    (site / "cv2/core.py").write_text("nobody's")
    assert installed.owner("cv2.gui") == "cv-headless"


def test_rivals_without_hashes_are_settled_by_name(site):
    for name in ("b", "a"):
        distribution(site, name, {"x.py": ""}, hashes=False)
    installed = read_installed([site])
    assert installed.owner("x") == "a"
    assert installed.rivals("x") == ("a", "b")


def test_shared_file_with_one_content_makes_no_rivals(site):
    for name in ("one", "two"):
        distribution(site, name, {"space/__init__.py": "__path__ = ...", f"space/{name}.py": name})
    installed = read_installed([site])
    assert installed.rivals("space") == ()
    assert installed.owner("space.two") == "two"
