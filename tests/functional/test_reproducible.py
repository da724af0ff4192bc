"""One notebook is one image: whoever packs it, wherever, whenever, and with whatever nbslim's cache holds already."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import pytest
from notebooks import write_notebook
from ordinary_user import SYSTEM_PYTHON, as_user, install_for_user, needs_root, needs_system_python, variables
from support import CASES, ENGINES, ROOT, needs_buildah, run_nbslim

PLAIN = ROOT / "tests/notebooks/plain.ipynb"
OTHER_SETTINGS = {
    "LC_ALL": "POSIX", "LANG": "tr_TR.UTF-8", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0",
    "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "7",
}  # fmt: skip


def packed_anew(notebook: Path, folder: Path, *options: object, **settings: str) -> dict:
    """Pack with the embedded engine, whatever is remembered; the archive is left in `folder`."""
    how = ("--engine", "oci", "--json", "--no-cache", "--output", folder / "image.tar")
    result = run_nbslim("pack", notebook, *options, *how, cwd=folder, variables=settings)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["rules", "text"])  # that two runs are one image, the engines show for all
def test_other_folder_gives_the_same_image(name, packed, tmp_path):
    case = ROOT / "fixtures" / name
    copy = tmp_path / "of another name" / case.name
    shutil.copytree(case, copy)
    assert packed_anew(copy / "notebook.ipynb", tmp_path)["digest"] == packed(case, "oci").receipt["digest"]


@needs_buildah
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_both_engines_give_the_same_image(case, packed):
    assert len({packed(case, engine).receipt["digest"] for engine in ENGINES}) == 1


def test_cold_cache_gives_the_same_image(tmp_path):
    cold = packed_anew(PLAIN, tmp_path, NBSLIM_CACHE=str(tmp_path / "cache"))
    assert cold["digest"] == packed_anew(PLAIN, tmp_path)["digest"]


BACKWARDS = """
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
/* Each folder's entries come in the opposite order. Folders are read once, and never forgotten. */
struct folder { DIR *stream; int left; struct dirent64 *entries; struct folder *next; };
static __thread struct folder *folders;
int closedir(DIR *stream) {
  for (struct folder *f = folders; f; f = f->next) if (f->stream == stream) f->stream = NULL;
  return ((int (*)(DIR *)) dlsym(RTLD_NEXT, "closedir"))(stream);
}
void rewinddir(DIR *stream) {
  for (struct folder *f = folders; f; f = f->next) if (f->stream == stream) f->stream = NULL;
  ((void (*)(DIR *)) dlsym(RTLD_NEXT, "rewinddir"))(stream);
}
struct dirent64 *readdir64(DIR *stream) {
  struct dirent64 *(*real)(DIR *) = dlsym(RTLD_NEXT, "readdir64"), *entry;
  struct folder *f = folders;
  while (f && f->stream != stream) f = f->next;
  if (!f) {
    f = calloc(1, sizeof *f);
    f->stream = stream; f->next = folders; folders = f;
    while ((entry = real(stream))) {
      f->entries = realloc(f->entries, (f->left + 1) * sizeof *entry);
      memcpy(&f->entries[f->left++], entry, entry->d_reclen);
    }
  }
  return f->left ? &f->entries[--f->left] : NULL;
}
"""


@pytest.fixture
def backwards(tmp_path):
    """A library that, loaded first, gives the entries of each folder in the opposite order."""
    source, library = tmp_path / "backwards.c", tmp_path / "backwards.so"
    source.write_text(BACKWARDS)
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler to change the order of folders' entries")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    listed = [sys.executable, "-c", "import os, sys; print(os.listdir(sys.argv[1]))", ROOT]
    there, back = (
        subprocess.check_output(listed, text=True, env={**os.environ, **preload})
        for preload in ({}, {"LD_PRELOAD": str(library)})
    )
    assert eval(there) == eval(back)[::-1]
    return library


def test_other_settings_of_the_machine_give_the_same_image(backwards, tmp_path):
    folders = {name: tmp_path / name for name in ("HOME", "NBSLIM_CACHE")}
    for folder in folders.values():
        folder.mkdir()
    short = Path(tempfile.mkdtemp())  # a socket's path must fit behind it
    settings = {**OTHER_SETTINGS, "LD_PRELOAD": backwards, **folders, "TMPDIR": short}
    settings["UV_CACHE_DIR"] = os.environ.get("UV_CACHE_DIR") or Path.home() / ".cache/uv"
    settings["PYENV_ROOT"] = os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv"
    umask = os.umask(0o077)
    try:
        other = packed_anew(PLAIN, tmp_path, **{name: str(value) for name, value in settings.items()})
    finally:
        os.umask(umask)
        shutil.rmtree(short)
    assert other["digest"] == packed_anew(PLAIN, tmp_path)["digest"]


@pytest.fixture(scope="module", name="home")
def _home():
    """An ordinary user's folder; root has another one in it."""
    home = Path(tempfile.mkdtemp(prefix="nbslim-two-users-"))
    try:
        install_for_user(home)
        yield home
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="module")
def by_root(home):
    """The digest of what root packed, with a home and a cache of its own."""
    own = home / "root"
    own.mkdir(mode=0o700)
    settings = {**variables(home), "HOME": str(own), "TMPDIR": str(own), "NBSLIM_CACHE": str(own / "cache")}
    settings["UV_CACHE_DIR"] = str(own / "uv")
    result = subprocess.run(packing(home), env=settings, cwd=own, text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)["digest"]


def packing(home: Path) -> list[object]:
    return [
        home / "venv/bin/nbslim", "pack", home / "work/centers/notebook.ipynb", "--engine", "oci", "--json",
        "--python", SYSTEM_PYTHON,
    ]  # fmt: skip


@needs_root
@needs_system_python
@pytest.mark.parametrize("method", ["user namespace", "loader"])
def test_other_user_gives_the_same_image(home, by_root, method):
    started = as_user(home, packing(home), in_chroot=method == "loader")
    result = subprocess.run(**started, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr
    receipt = json.loads(result.stdout)
    assert receipt["verified"]["method"] in (method, "loader")  # some machines allow no user namespace at all
    assert receipt["digest"] == by_root


def test_source_date_is_the_images_date(tmp_path):
    dates = ("1700000000", "1700000000", "1700000001")
    one, same, other = (packed_anew(PLAIN, tmp_path, SOURCE_DATE_EPOCH=date)["digest"] for date in dates)
    assert one == same != other
    with tarfile.open(tmp_path / "image.tar") as archive:
        settings = archive.extractfile(json.load(archive.extractfile("manifest.json"))[0]["Config"])
        assert json.load(settings)["created"] == "2023-11-14T22:13:21Z"


@pytest.mark.parametrize("date", ["abc", "-1", "1.5", "1_000", "٣", "253402300800", "9" * 5000])
def test_bad_source_date_is_refused_before_anything_runs(date, tmp_path):
    result = run_nbslim(
        "pack", PLAIN, cwd=tmp_path,
        variables={"SOURCE_DATE_EPOCH": date, "NBSLIM_CACHE": str(tmp_path / "cache")},
    )  # fmt: skip
    assert (result.returncode, result.stdout) == (5, "")
    assert result.stderr.startswith("nbslim: SOURCE_DATE_EPOCH: ")
    assert "whole number" in result.stderr.splitlines()[1]
    assert list(tmp_path.iterdir()) == []


def test_run_that_keeps_its_time_changes_the_pickle_and_its_hash_alone(tmp_path):
    notebook = write_notebook(
        tmp_path / "timed.ipynb",
        "import time, uuid\nmade = [time.time(), uuid.uuid4().hex]",
        "def predictor(x):\n    return len(made) + x\nsamples = [1]",
    )
    digests, files = [], []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        receipt = packed_anew(notebook, tmp_path / name, "--bundle", tmp_path / name / "bundle")
        digests.append([layer["digest"] for layer in receipt["layers"]])
        files.append({p.name: p.read_bytes() for p in (tmp_path / name / "bundle").rglob("*") if p.is_file()})
    assert digests[0][:-1] == digests[1][:-1]
    changed = {name for name in files[0] if files[0][name] != files[1][name]}
    assert changed == {"entry_points.pickle", "manifest.json"}


def test_path_of_the_run_is_warned_of(tmp_path):
    cells = ["import os\nhere = os.getcwd()", "def predictor(x):\n    return len(here) > x\nsamples = [0]"]
    warnings = packed_anew(write_notebook(tmp_path / "here.ipynb", *cells), tmp_path)["warnings"]
    assert [text.partition(":")[0] for text in warnings] == [
        "entry_points.pickle holds a path of the folder in which the notebook ran"
    ]
