"""The slim image answers every request as the notebook's whole environment does, errors included."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from full import serving_full
from support import CASES, ROOT, Packed, container, serving
from traffic import answers, draw_requests

LEAST = 300
LEAST_OF_EACH = 30
SHOWN = 5


@contextlib.contextmanager
def slim(image: Packed, temporary: Path) -> Iterator[str]:
    if shutil.which("podman"):
        with container(image) as address:
            yield address
    else:
        with serving(image.archive, temporary) as (address, _):
            yield address


@pytest.fixture(params=CASES, ids=lambda case: case.name, scope="module")
def case(request):
    return request.param


@pytest.fixture(scope="module")
def image(case, packed):
    return packed(case, "buildah" if shutil.which("buildah") else "oci")


@pytest.fixture(scope="module")
def requests(image):
    return draw_requests([sample["input"] for sample in image.samples])


@pytest.fixture(scope="module")
def exchanged(image, requests, tmp_path_factory):
    """Requests, each with the answer of the full environment and that of the slim image."""
    with (
        serving_full(image, tmp_path_factory.mktemp("full")) as full,
        slim(image, tmp_path_factory.mktemp("slim")) as slimmed,
        ThreadPoolExecutor(2) as pool,
    ):
        columns = pool.map(lambda address: list(answers(address, requests)), (full, slimmed))
        return list(zip(requests, *columns))


def test_slim_image_answers_as_the_full_environment(exchanged):
    different = [
        f"{request}\n    full: {full}\n    slim: {slimmed}"
        for request, full, slimmed in exchanged
        if full != slimmed
    ]
    shown = "\n".join(different[:SHOWN])
    assert not different, f"{len(different)} of {len(exchanged)} requests are answered differently:\n{shown}"


def test_requests_are_many_and_end_in_every_way(image, exchanged):
    assert len({request for request, _, _ in exchanged}) >= LEAST
    outcomes = Counter(full.outcome for _, full, _ in exchanged)
    assert outcomes["200"] >= LEAST_OF_EACH, outcomes
    assert outcomes["urn:nbslim:refused"] >= LEAST_OF_EACH, outcomes
    assert outcomes["urn:nbslim:not-json"] >= LEAST_OF_EACH, outcomes
    raised = sum(full.status == 500 for _, full, _ in exchanged)
    assert raised >= LEAST_OF_EACH if image.expect.get("raises", True) else raised == 0, outcomes


def test_every_request_is_answered(exchanged):
    assert [str(request) for request, full, _ in exchanged if not full.status] == []


def test_the_same_requests_are_drawn_each_time():
    draw = "print(draw_requests([['a b', 1.5, 3], ['c d e', 0, 4]]), draw_requests([{'x': None}, {'y': [True]}]))"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", f"from traffic import draw_requests; {draw}"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests/shared"), "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(drawn) == 1
