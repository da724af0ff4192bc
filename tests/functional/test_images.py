"""Every example packs with both engines, and its image answers like the notebook, holds nothing else, and is small."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from support import CACHE, CASES, ENGINES, needs_buildah, needs_podman

PODMAN = ["podman", "--runtime", "runc"]
HARDENED = [
    "--read-only", "--cap-drop", "all", "--user", "1000670000:0",
    "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
]  # fmt: skip
MB = 1_000_000


@pytest.fixture(params=CASES, ids=lambda case: case.name, scope="module")
def case(request):
    return request.param


@pytest.fixture(params=ENGINES, scope="module")
def image(request, case, packed):
    return packed(case, request.param)


@contextlib.contextmanager
def container(archive: Path, reference: str):
    """Run the archive's image as an arbitrary user on a read-only root; yields the service's address."""
    name = f"nbslim-test-{os.getpid()}-{time.monotonic_ns()}"
    subprocess.run(["podman", "load", "--quiet", "--input", archive], check=True, capture_output=True)
    options = ["--detach", "--rm", "--name", name, "--network", "host", "--env", "PORT=18080"]
    try:
        subprocess.run([*PODMAN, "run", *options, *HARDENED, reference], check=True, capture_output=True)
        yield "http://127.0.0.1:18080"
    finally:
        subprocess.run(["podman", "rm", "--force", name], capture_output=True, check=False)
        subprocess.run(["podman", "rmi", "--force", reference], capture_output=True, check=False)


def wait_until_ready(address: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"{address}/readyz", timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"{address} is not ready after {seconds} s")


def post(address: str, sample: object) -> tuple[int, object]:
    """Post as `curl -d` does, with a form's content type."""
    request = urllib.request.Request(f"{address}/predict", data=json.dumps(sample).encode(), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def expected_answer(record: dict) -> tuple[int, object]:
    if "answer" in record:
        return 200, record["answer"]
    return (400 if record.get("refused") else 500), None


@needs_podman
def test_image_answers_every_sample_as_the_notebook_did(image):
    with container(image.archive, image.receipt["reference"]) as address:
        wait_until_ready(address)
        for record in image.samples:
            status, answer = post(address, record["input"])
            wanted, value = expected_answer(record)
            assert status == wanted
            assert status != 200 or json.dumps(answer) == json.dumps(value)
    assert len(image.samples) == image.expect["samples"]


def test_every_sample_was_replayed_and_equal(image):
    verified = image.receipt["verified"]
    assert verified["samples"] == verified["equal"] == image.expect["samples"]
    assert verified["method"] in ("chroot", "user namespace", "loader")


def test_image_holds_what_serving_needs_and_nothing_that_it_does_not(image):
    serving = image.expect["serving"]
    kept = {d["name"] for d in image.receipt["distributions"]}
    there = {name for name in installed(image.archive) if name not in ("falcon", "waitress", "cloudpickle")}
    assert kept == there
    assert set(serving["direct"]) | set(serving["required"]) <= kept
    assert not set(serving["absent"]) & kept
    direct = {d["name"] for d in image.receipt["distributions"] if d["direct"]}
    assert direct == set(serving["direct"])


def test_both_engines_write_the_same_image(case, packed):
    one, two = (packed(case, engine) for engine in ENGINES)
    assert one.receipt["layers"] == two.receipt["layers"]
    assert one.receipt["digest"] == two.receipt["digest"]


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
    assert [path for path, _ in members(image.archive) if forbidden.search(path)] == []


def test_image_names_no_path_of_the_machine_that_built_it(image):
    python = image.receipt["python"]
    folders = [CACHE, Path.home(), image.case.parents[1], image.archive.parent]
    paths = [*map(str, folders), "/.pyenv/", f"{python}/lib"]
    hosts = [path.encode() for path in paths if path not in ("/", "/root")] + [b"/root/."]
    found = [(path, host) for path, content in members(image.archive) for host in hosts if host in content]
    assert found == []


def test_packages_level_is_small(image):
    sizes, name = image.receipt["sizes"], image.case.name
    assert image.receipt["level"] == "packages"
    assert sizes["image"] < sizes["full"]
    if name == "iris_report":
        assert sizes["image"] <= 0.5 * sizes["full"]
    if name == "rules":
        assert sizes["image"] <= 45 * MB
        assert image.receipt["distributions"] == []


def test_sizes_are_those_of_the_files(image, tmp_path):
    counted = sum(len(content) for path, content in members(image.archive, layers_only=True))
    assert counted == image.receipt["sizes"]["image"]


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_archive_is_read_in_both_formats(packed, transport):
    image = packed(CASES[0], "oci")
    command = ["skopeo", "inspect", "--config", f"{transport}:{image.archive}"]
    config = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    assert config["config"]["User"].endswith(":0")


def members(archive: Path, *, layers_only: bool = False):
    """Yield path and bytes of every file in every layer, and of the archive's own documents."""
    with tarfile.open(archive) as outer:
        for member in outer.getmembers():
            data = outer.extractfile(member).read() if member.isfile() else b""
            if data[:2] != b"\x1f\x8b":
                if not layers_only:
                    yield member.name, data
                continue
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as layer:
                for inner in layer:
                    if inner.isfile():
                        yield inner.name, layer.extractfile(inner).read()


def installed(archive: Path) -> set[str]:
    found = (re.search(r"app/\w+/([^/]+)-[^-/]+\.dist-info/METADATA$", path) for path, _ in members(archive))
    return {canonicalize_name(match[1]) for match in found if match}
