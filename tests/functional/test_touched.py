"""What serving touches of an image is counted by strace, which knows nothing of how the image was made."""

from __future__ import annotations

import pytest
from strace import can_trace, touched_files
from support import CASES


@pytest.fixture(params=CASES, ids=lambda case: case.name, scope="module")
def case(request):
    return request.param


@pytest.fixture(scope="module")
def image(case, packed):
    return packed(case, "oci")


@pytest.fixture(scope="module")
def touched(image, tmp_path_factory):
    if not can_trace():
        pytest.skip("strace is not installed, or may not trace here")
    samples = [sample["input"] for sample in image.samples]
    return touched_files(image.archive, samples, tmp_path_factory.mktemp("touched"))


def test_image_is_little_more_than_what_serving_touches(touched):
    assert touched.ratio <= 1.3, touched.largest_untouched(10)


def test_every_file_of_the_image_is_counted(image, touched):
    assert touched.image_bytes == image.receipt["sizes"]["image"]


def test_what_the_kernel_and_the_loader_open_is_touched(touched):
    names = {path.rpartition("/")[2] for path in touched.touched}
    assert {"python3.11", "libc.so.6"} <= names
    assert any(name.startswith("ld-") for name in names)


def test_what_python_opens_is_touched_once_it_is_asked_for(touched):
    assert "/app/model/entry_points.pickle" in touched.touched
    assert any("/falcon/" in path for path in touched.touched)


def test_what_nobody_opens_is_not_touched(touched):
    assert 0 < touched.touched_bytes < touched.image_bytes
    assert not any(path.endswith("/METADATA") for path in touched.touched)
    assert not {path for path, _ in touched.largest_untouched(10)} & touched.touched
