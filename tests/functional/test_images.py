"""Every example packs with both engines, and its image answers like the notebook, holds nothing else, and is small."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from support import CACHE, CASES, ENGINES, ROOT, container, needs_buildah, needs_podman, post

MB = 1_000_000


@pytest.fixture(params=CASES, ids=lambda case: case.name, scope="module")
def case(request):
    return request.param


@pytest.fixture(params=ENGINES, scope="module")
def image(request, case, packed):
    return packed(case, request.param)


def expected_answer(record: dict) -> tuple[int, object]:
    if "answer" in record:
        return 200, record["answer"]
    return (400 if record.get("refused") else 500), None


@needs_podman
def test_image_answers_every_sample_as_the_notebook_did(image):
    with container(image) as address:
        for record in image.samples:
            status, answer = post(address, record["input"])
            wanted, value = expected_answer(record)
            assert status == wanted
            assert status != 200 or json.dumps(answer) == json.dumps(value)
    assert len(image.samples) == image.expect["samples"]


def test_batches_are_scored_as_the_predictor_allows(image):
    form = image.receipt["batch"]["form"]
    # Where answers are the last digits of sums, the processor decides.
    assert form == image.expect.get("batch", form)
    assert (image.receipt["batch"]["reason"] is None) == (form != "looped")


def test_every_sample_was_replayed_and_equal(image):
    verified = image.receipt["verified"]
    assert verified["samples"] == verified["equal"] == image.expect["samples"]
    assert verified["method"] in ("chroot", "user namespace", "loader")


def test_image_holds_what_serving_needs_and_nothing_that_it_does_not(image):
    serving = image.expect["serving"]
    kept = {d["name"] for d in image.receipt["distributions"]}
    assert kept - set(image.receipt["left_out"]) == installed(image.archive)
    assert set(image.receipt["left_out"]) == set(serving.get("never_loaded", ()))
    assert set(serving["direct"]) | set(serving["required"]) <= kept
    assert not set(serving["absent"]) & kept
    direct = {d["name"] for d in image.receipt["distributions"] if d["direct"]}
    assert direct == set(serving["direct"])


def test_both_engines_write_the_same_image_of_the_same_bundle(case, packed):
    one, two = (packed(case, engine) for engine in ENGINES)
    pickles = [(image.archive.parent / "bundle/entry_points.pickle").read_bytes() for image in (one, two)]
    # Some objects pickle differently in each run: scikit-learn's vectorizers keep the address of a list.
    shared = -1 if pickles[0] != pickles[1] else None
    assert one.receipt["layers"][:shared] == two.receipt["layers"][:shared]
    assert (one.receipt["digest"] == two.receipt["digest"]) == (shared is None)


@needs_buildah
def test_buildah_holds_the_image_under_its_tag(case, packed):
    receipt = packed(case, "buildah").receipt
    inspected = subprocess.run(
        ["buildah", "inspect", "--type", "image", receipt["reference"]], check=True, capture_output=True
    )
    assert receipt["digest"] == json.loads(inspected.stdout)["FromImageDigest"]


def test_image_holds_no_shell_no_installer_no_jupyter(image):
    forbidden = re.compile(
        r"(^|/)(sh|bash|dash|ash|busybox|pip3?|apt|apt-get|dpkg|apk|ensurepip|IPython|ipykernel|jupyter\w*|notebook"
        r"|pip|uv)(/|$)|\.sh$|pip-[0-9.]*(-py3-none-any\.whl|\.dist-info)"
    )
    assert [path for part in scanned(image.archive) for path in part.paths if forbidden.search(path)] == []


def test_image_names_no_path_of_the_machine_that_built_it(image):
    assert [hit for part in scanned(image.archive) for hit in part.host_paths] == []


def test_host_paths_would_be_found(tmp_path):
    archive = tmp_path / "image.tar"
    with tarfile.open(archive, "w") as file:
        member = tarfile.TarInfo("config")
        member.size = len(HOST_PATHS[0])
        file.addfile(member, io.BytesIO(HOST_PATHS[0]))
    assert next(hit for part in scanned(archive) for hit in part.host_paths) == ("config", HOST_PATHS[0])


def test_modules_level_is_small(image):
    sizes, expected = image.receipt["sizes"], image.expect["sizes"]
    assert image.receipt["level"] == "modules"
    assert sizes["modules"] == sizes["image"] < sizes["packages"] < sizes["full"]
    assert sizes["image"] <= expected.get("limit", float("inf")) * MB
    assert sizes["image"] <= expected.get("share_of_packages", 1) * sizes["packages"]


def test_no_image_has_grown_by_more_than_5_percent(image):
    assert image.receipt["sizes"]["image"] <= 1.05 * image.expect["sizes"]["modules"] * MB


def test_the_runtime_brings_at_most_4_mb_that_are_not_its_own(image):
    brought = {
        path: size
        for part in scanned(image.archive)
        for path, size in part.sizes.items()
        if path.startswith("app/runtime/") and not path.startswith("app/runtime/nbslim/")
    }
    assert {path.split("/")[2] for path in brought} >= {"falcon", "waitress"}
    assert sum(brought.values()) <= 4 * MB


def test_every_rung_was_replayed_as_the_full_environment_responds(image):
    ladder = image.receipt["ladder"]
    assert [rung["level"] for rung in ladder] == ["packages", "modules"]
    assert {rung["problem"] for rung in ladder} == {None}
    assert all(rung["samples"] == rung["equal"] == image.expect["samples"] for rung in ladder)
    assert all(rung["requests"] >= 40 for rung in ladder)


def test_what_a_gpu_would_need_is_left_out_with_a_label(image):
    left_out = image.receipt["accelerator"] == "cpu-only"
    assert left_out == bool(image.expect["serving"].get("never_loaded"))
    labels = configuration(image.archive)["config"]["Labels"]
    assert labels.get("io.nbslim.accelerator") == ("cpu-only" if left_out else None)


@pytest.mark.parametrize("name", ["rules", "centers_only"])
def test_packages_level_is_as_large_as_the_ladder_says(packed, nbslim, tmp_path, name):
    result = nbslim(
        "pack",
        ROOT / f"fixtures/{name}/notebook.ipynb",
        "--level",
        "packages",
        "--engine",
        "oci",
        "--json",
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    whole = json.loads(result.stdout)
    said = packed(ROOT / f"fixtures/{name}", "oci").receipt["sizes"]["packages"]
    assert whole["level"] == "packages"
    # The ladder counts the environment's bytecode, which knows columns, too.
    assert 0.97 * said < whole["sizes"]["image"] <= 1.001 * said


def test_sizes_are_those_of_the_files(image):
    layers = [part for part in scanned(image.archive) if part.is_layer]
    assert sum(part.bytes for part in layers) == image.receipt["sizes"]["image"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_archive_is_read_in_both_formats(packed, transport):
    image = packed(ROOT / "fixtures/rules", "oci")
    command = ["skopeo", "inspect", "--config", f"{transport}:{image.archive}"]
    config = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert config["config"]["User"].endswith(":0")


@dataclass(frozen=True)
class Part:
    """What one member of an archive holds: a layer's files, or a document of the archive itself."""

    sizes: Mapping[str, int]
    """Of each file, by its path."""
    host_paths: tuple[tuple[str, bytes], ...]
    is_layer: bool

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(self.sizes)

    @property
    def bytes(self) -> int:
        return sum(self.sizes.values())


# The prefix of a system's own interpreter is the image's as well.
PREFIX = [] if sys.base_prefix in ("/usr", "/usr/local") else [f"{sys.base_prefix}/"]
FOLDERS = [str(CACHE), str(ROOT), f"{Path.home()}/.", "/.pyenv/", f"{tempfile.gettempdir()}/pytest-", *PREFIX]
HOST_PATHS = tuple(folder.encode() for folder in FOLDERS)
KNOWN: dict[str, Part] = {}


def scanned(archive: Path) -> Iterator[Part]:
    """Yield what every member of the archive holds; a blob that another image shares is read once."""
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            if not member.isfile():
                continue
            if not member.name.startswith("blobs/"):
                yield scan(member.name, outer.extractfile(member).read())
                continue
            if member.name not in KNOWN:
                KNOWN[member.name] = scan(member.name, outer.extractfile(member).read())
            yield KNOWN[member.name]


def scan(name: str, data: bytes) -> Part:
    files = [(name, data)] if data[:2] != b"\x1f\x8b" else layer_files(data)
    sizes, hits = {}, []
    for path, content in files:
        sizes[path] = len(content)
        hits += [(path, host) for host in HOST_PATHS if host in content]
    return Part(sizes, tuple(hits), is_layer=data[:2] == b"\x1f\x8b")


def layer_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as layer:
        for member in layer:
            if member.isfile():
                yield member.name, layer.extractfile(member).read()


def configuration(archive: Path) -> dict:
    with tarfile.open(archive) as file:
        image = json.load(file.extractfile("manifest.json"))[0]
        return json.load(file.extractfile(image["Config"]))


def installed(archive: Path) -> set[str]:
    paths = (path for part in scanned(archive) for path in part.paths)
    found = (re.search(r"^app/lib/([^/]+)-[^-/]+\.dist-info/METADATA$", path) for path in paths)
    return {canonicalize_name(match[1]) for match in found if match}
