"""Whole distributions are placed without what belongs to the machine that installed them."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from nbslim.packer.distributions import compiled_beside, place_distributions, total_bytes, write_records
from nbslim.packer.errors import BuildError
from uv import find_uv_bin

TAG = sys.implementation.cache_tag


@pytest.fixture(scope="module", name="site")
def _site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "env"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--python", sys.executable, folder], check=True)
    install = [find_uv_bin(), "pip", "install", "--quiet", "--compile-bytecode", "--python", folder]
    subprocess.run([*install, "six==1.17.0", "tqdm==4.67.1"], check=True)
    return next(folder.glob("lib/python*/site-packages"))


def test_only_what_is_named_is_placed(site, tmp_path):
    placed = place_distributions(site, ["six"], tmp_path / "lib", bytecode=TAG)
    assert list(placed) == ["six-1.17.0.dist-info"]
    assert placed["six-1.17.0.dist-info"][-1] == "six.py"
    names = sorted(path.name for path in (tmp_path / "lib").iterdir())
    assert names == ["__pycache__", "six-1.17.0.dist-info", "six.py"]


def test_scripts_and_notes_of_the_installer_stay_behind(site, tmp_path):
    place_distributions(site, ["tqdm"], tmp_path / "lib", bytecode=TAG)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not names & {"INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json", "RECORD"}
    assert not (tmp_path / "bin").exists()


@pytest.mark.parametrize(("tag", "compiled"), [(TAG, ["six.py"]), ("cpython-27", [])])
def test_bytecode_of_this_python_is_placed_and_not_listed(tag, compiled, site, tmp_path):
    placed = place_distributions(site, ["six"], tmp_path, bytecode=tag)
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pyc")}
    assert found == {compiled_beside(name, TAG) for name in compiled}
    assert not [path for path in placed["six-1.17.0.dist-info"] if path.endswith(".pyc")]


def test_record_names_what_is_really_there(site, tmp_path):
    placed = place_distributions(site, ["six"], tmp_path, bytecode="none")
    (tmp_path / "six.py").rename(tmp_path / "six.pyc")  # as compiling does
    write_records(tmp_path, placed)
    with (tmp_path / "six-1.17.0.dist-info/RECORD").open() as file:
        rows = {path: size for path, _, size in csv.reader(file)}
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert set(rows) == files
    assert int(rows["six.pyc"]) == (tmp_path / "six.pyc").stat().st_size


def test_a_distribution_that_is_not_installed_is_named(site, tmp_path):
    with pytest.raises(BuildError, match="numpy is not installed"):
        place_distributions(site, ["numpy"], tmp_path, bytecode=TAG)


def test_bytes_count_regular_files(tmp_path):
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/b").write_bytes(b"123")
    (tmp_path / "link").symlink_to(Path("a"))
    assert total_bytes([tmp_path]) == 8
