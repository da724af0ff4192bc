"""A library without symbols is made once for each file, and loads."""

import ctypes
import os
import shutil
import subprocess

import pytest
from nbslim.packer.cut import place_without_symbols


@pytest.fixture(scope="module", name="library")
def _library(tmp_path_factory):
    if shutil.which("cc") is None:
        pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("built")
    (folder / "three.c").write_text(
        "static int one(void) { return 1; }\nint three(void) { return one() + 2; }\n"
    )
    command = ["cc", "-g", "-shared", "-fPIC", "-O0", "three.c", "-o", "libthree.so"]
    subprocess.run(command, check=True, cwd=folder)
    return folder / "libthree.so"


def test_library_is_smaller_and_gives_the_same_answer(library, tmp_path):
    target = tmp_path / "tree/libthree.so"
    place_without_symbols(library, target, tmp_path / "cache")
    assert target.stat().st_size < library.stat().st_size
    assert target.stat().st_mode == library.stat().st_mode
    assert ctypes.CDLL(str(target)).three() == 3
    assert b"debug" in library.read_bytes()  # the environment's own file is as it was


def test_second_time_and_under_another_path_it_comes_from_the_cache(library, tmp_path):
    link = tmp_path / "other.so"
    os.link(library, link)
    place_without_symbols(library, tmp_path / "one/libthree.so", tmp_path / "cache")
    place_without_symbols(link, tmp_path / "two/libthree.so", tmp_path / "cache")
    assert (tmp_path / "one/libthree.so").samefile(tmp_path / "two/libthree.so")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_file_that_has_changed_is_cut_anew(library, tmp_path):
    source = tmp_path / "libthree.so"
    shutil.copy(library, source)
    place_without_symbols(source, tmp_path / "one.so", tmp_path / "cache")
    source.write_text("no library any more")
    place_without_symbols(source, tmp_path / "two.so", tmp_path / "cache")
    assert (tmp_path / "two.so").read_text() == "no library any more"
