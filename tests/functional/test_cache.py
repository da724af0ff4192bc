"""What was done before is not done again unless something changed, and no pack breaks the cache of another."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from notebooks import write_notebook
from support import NBSLIM, ROOT, needs_buildah, run_nbslim

PLAIN = ROOT / "tests/notebooks/plain.ipynb"

COUNTED = """
import os, pathlib
runs = pathlib.Path(os.environ["RUNS"])
runs.write_text(runs.read_text() + "x")
"""
SERVED = """
requirements = []
samples = [1, 2]
offset = int(pathlib.Path("offset.txt").read_text())

def predictor(x):
    return x + offset
"""


class Project:
    """A notebook whose runs are counted, and a cache."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache, self.runs = folder / "project", cache, folder / "runs.txt"
        self.archive = folder / "image.tar"
        self.folder.mkdir()
        self.runs.touch()
        (self.folder / "offset.txt").write_text("1")
        self.notebook = write_notebook(self.folder / "counted.ipynb", COUNTED, SERVED)

    def run(self, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
        return run_nbslim(
            "pack", self.notebook, "--engine", "oci", "--json", "--output", self.archive, "-e", f"RUNS={self.runs}",
            *arguments, cwd=self.folder, variables={"NBSLIM_CACHE": str(self.cache), **variables},
        )  # fmt: skip

    def pack(self, *arguments: object, **variables: str) -> dict:
        result = self.run(*arguments, **variables)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    @property
    def count(self) -> int:
        return len(self.runs.read_text())


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A cache that has the environment of notebooks without requirements."""
    cache = tmp_path_factory.mktemp("warm") / "cache"
    assert nbslim_with(cache, "analyze", PLAIN).returncode == 0
    return cache


@pytest.fixture
def project(tmp_path, warm):
    return Project(tmp_path, warm)


def nbslim_with(cache: Path, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    return run_nbslim(*arguments, variables={"NBSLIM_CACHE": str(cache)}, **options)


def test_second_pack_answers_at_once_and_leaves_the_same(project):
    first = project.pack()
    image = project.archive.read_bytes()
    assert first["cached"] == {"environment": True, "notebook": False, "pack": False}
    project.archive.unlink()
    second = project.pack()
    assert second["cached"] == {"environment": True, "notebook": True, "pack": True}
    assert project.archive.read_bytes() == image
    assert {**second, "cached": {}, "seconds": {}} == {**first, "cached": {}, "seconds": {}}
    assert project.count == 1


def test_no_cache_does_all_of_it_again_and_keeps_the_new_result(project):
    project.pack()
    (project.folder.parent / "runs.txt").write_text("x")
    again = project.pack("--no-cache")
    assert not any(again["cached"].values())
    assert project.count == 2
    assert project.pack()["cached"]["pack"]


def test_the_cells_run_again_when_something_changed_that_they_see(project):
    before = project.pack()
    (project.folder / "offset.txt").write_text("2")
    after = project.pack()
    assert after["cached"] == {"environment": True, "notebook": False, "pack": False}
    assert project.count == 2
    assert after["digest"] != before["digest"]
    assert after["layers"][:-1] == before["layers"][:-1]


def test_what_a_pack_leaves_in_the_folder_is_not_part_of_the_notebook(project):
    outputs = ["--output", project.folder / "counted.tar", "--bundle", project.folder / "bundle"]
    project.pack(*outputs)
    shutil.rmtree(project.folder / "bundle")
    result = project.run(*outputs)
    assert json.loads(result.stdout)["cached"]["pack"]
    assert (
        "remembered, not done again: environment, notebook, pack (--no-cache does all of it)" in result.stderr
    )


def test_what_the_shell_writes_into_the_folder_is_not_part_of_the_notebook(project):
    command = (
        f"{NBSLIM} pack counted.ipynb --engine oci --json -e RUNS={project.runs} >receipt.json 2>>log.txt"
    )
    for _ in range(2):
        environment = {**os.environ, "NBSLIM_CACHE": str(project.cache)}
        subprocess.run(["sh", "-c", command], cwd=project.folder, env=environment, check=True)
    assert json.loads((project.folder / "receipt.json").read_text())["cached"]["pack"]
    assert project.count == 1


def test_the_bundle_is_left_again(project, tmp_path):
    project.pack("--bundle", tmp_path / "a")
    assert project.pack("--bundle", tmp_path / "b")["cached"]["pack"]
    contents = [
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in "ab"
    ]
    assert contents[0] == contents[1] != {}
    assert "is not an empty folder" in project.run("--bundle", tmp_path / "b").stderr


def test_a_failed_pack_is_not_remembered(project):
    write_notebook(project.notebook, COUNTED, SERVED, "raise ValueError")
    assert [project.run().returncode for _ in range(2)] == [4, 4]
    assert project.count == 2


def test_an_executed_notebook_is_remembered_without_its_image(project):
    first = project.pack()
    assert nbslim_with(project.cache, "cache", "clear", "packs", "layers").returncode == 0
    again = project.pack()
    assert again["cached"] == {"environment": True, "notebook": True, "pack": False}
    assert again["digest"] == first["digest"]
    assert project.count == 1


def test_an_image_whose_layer_is_gone_is_made_again(project):
    first = project.pack()
    nbslim_with(project.cache, "cache", "clear", "layers")
    project.archive.unlink()
    again = project.pack()
    assert (again["cached"]["pack"], again["digest"]) == (False, first["digest"])
    assert project.archive.is_file()


def test_an_archive_that_somebody_wrote_to_is_written_again(project):
    project.pack()
    image = project.archive.read_bytes()
    project.archive.write_bytes(b"")
    assert project.pack()["cached"]["pack"]
    assert project.archive.read_bytes() == image


def test_another_image_of_the_notebook_needs_no_other_run(project):
    first = project.pack("--level", "packages")
    other = project.pack(SOURCE_DATE_EPOCH="86400")
    assert other["cached"] == {"environment": True, "notebook": True, "pack": False}
    assert first["digest"] != other["digest"]
    assert project.count == 1


def test_no_variable_is_kept(project):
    project.pack("-e", "TOKEN=secret-7d1fae0c55")
    kept = [path for path in project.cache.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if b"secret-7d1fae0c55" in path.read_bytes()]


@needs_buildah
def test_an_image_that_left_the_storage_is_loaded_again(warm, tmp_path):
    reference = "localhost/nbslim-test/remembered:1"
    pack = ["pack", PLAIN, "--engine", "buildah", "--tag", reference, "--json"]
    try:
        first = json.loads(nbslim_with(warm, *pack, cwd=tmp_path).stdout)
        assert json.loads(nbslim_with(warm, *pack, cwd=tmp_path).stdout)["cached"]["pack"]
        subprocess.run(["buildah", "rmi", "--force", reference], check=True, capture_output=True)
        again = json.loads(nbslim_with(warm, *pack, cwd=tmp_path).stdout)
        assert again["cached"]["pack"]
        command = ["buildah", "inspect", "--type", "image", "--format", "{{.FromImageDigest}}", reference]
        assert subprocess.check_output(command, text=True).strip() == first["digest"]
    finally:
        subprocess.run(["buildah", "rmi", "--force", reference], check=False, capture_output=True)


def test_the_cache_is_shown_and_cleared(project):
    project.pack()
    shown = json.loads(nbslim_with(project.cache, "cache", "--json").stdout)
    kinds = shown["kinds"]
    assert [kind for kind, held in kinds.items() if not held["count"]] in ([], ["libraries"])  # none was cut
    assert shown["total"]["bytes"] == sum(kind["bytes"] for kind in kinds.values())
    table = nbslim_with(project.cache, "cache").stdout
    assert str(project.cache) in table
    assert all(kind in table for kind in kinds)
    assert (
        json.loads(nbslim_with(project.cache, "cache", "clear", "notebooks", "--json").stdout)["total"][
            "count"
        ]
        >= 1
    )
    after = json.loads(nbslim_with(project.cache, "cache", "--json").stdout)["kinds"]
    assert after["notebooks"] == {"count": 0, "bytes": 0}
    assert after["layers"] == kinds["layers"]
    assert nbslim_with(project.cache, "cache", "clear", "images").returncode == 2


def test_only_what_was_not_used_for_days_is_cleared(project):
    project.pack()
    (old,) = (project.cache / "environments").iterdir()
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    project.pack("--no-cache")
    assert nbslim_with(project.cache, "cache", "clear", "--older-than", "2").returncode == 0
    assert old.is_dir()  # it was used since
    (new, *_) = (project.cache / "layers").iterdir()
    os.utime(new, (time.time() - 3 * 86400,) * 2)
    nbslim_with(project.cache, "cache", "clear", "--older-than", "2")
    assert not new.exists()


def plain_pack(cache: Path, output: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [NBSLIM, "pack", PLAIN, "--engine", "oci", "--output", output, "--json"],
        env={**os.environ, "NBSLIM_CACHE": str(cache)}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def digest_of(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)["digest"]


def test_two_identical_packs_at_once_both_succeed(tmp_path):
    packs = [plain_pack(tmp_path / "cache", tmp_path / f"{name}.tar") for name in "ab"]
    first, second = map(digest_of, packs)
    assert first == second
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_pack_succeeds_while_the_cache_is_cleared_all_the_time(tmp_path):
    pack = plain_pack(tmp_path / "cache", tmp_path / "image.tar")
    cleared = 0
    while pack.poll() is None:
        result = nbslim_with(tmp_path / "cache", "cache", "clear")
        assert result.returncode == 0, result.stderr
        cleared += 1
    digest_of(pack)
    assert cleared >= 3


def test_a_pack_that_starts_while_the_cache_is_cleared_succeeds(tmp_path, warm):
    shutil.copytree(warm, tmp_path / "cache", symlinks=True)
    expected = digest_of(plain_pack(tmp_path / "cache", tmp_path / "image.tar"))
    for _ in range(3):
        clear = subprocess.Popen(
            [NBSLIM, "cache", "clear"], env={**os.environ, "NBSLIM_CACHE": str(tmp_path / "cache")},
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        assert digest_of(plain_pack(tmp_path / "cache", tmp_path / "image.tar")) == expected
        assert clear.wait(60) == 0


def test_a_pack_killed_at_any_moment_leaves_a_usable_cache(tmp_path):
    chance, cache = random.Random(4), tmp_path / "cache"
    start = time.monotonic()
    fresh = digest_of(plain_pack(tmp_path / "other", tmp_path / "fresh.tar"))
    seconds = time.monotonic() - start
    killed = 0
    while killed < 4:
        pack = plain_pack(cache, tmp_path / "image.tar")
        try:
            pack.communicate(timeout=chance.uniform(0.05, 0.9) * seconds)
            seconds /= 2  # it was done: more and more is there already
        except subprocess.TimeoutExpired:
            pack.send_signal(signal.SIGKILL)
            pack.communicate()
            killed += 1
    assert digest_of(plain_pack(cache, tmp_path / "image.tar")) == fresh
    assert (tmp_path / "image.tar").read_bytes() == (tmp_path / "fresh.tar").read_bytes()
    assert nbslim_with(cache, "cache", "clear").returncode == 0
    left = json.loads(nbslim_with(cache, "cache", "--json").stdout)
    assert left["total"] == {"count": 0, "bytes": 0}
