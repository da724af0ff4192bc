"""Notebooks run on the Python that they name, older and newer than nbslim's own."""

from __future__ import annotations

import json

import pytest
from nbslim.analyzer import RequirementsError
from nbslim.packer.pythons import find_python
from support import ROOT, container, needs_podman, post

NOTEBOOKS = {"3.9": ROOT / "tests/notebooks/py39", "3.13": ROOT / "tests/notebooks/py313"}


@needs_podman
@pytest.mark.parametrize(("version", "engine"), [("3.9", "oci"), ("3.9", "buildah"), ("3.13", "oci")])
def test_other_python_packs_and_answers(version, engine, packed):
    try:
        find_python(version)
    except RequirementsError as error:
        pytest.skip(str(error))
    image = packed(NOTEBOOKS[version], engine)
    assert image.receipt["python"].startswith(f"{version}.")
    assert (
        image.receipt["verified"]["equal"] == image.receipt["verified"]["samples"] == image.expect["samples"]
    )
    with container(image) as address:
        for record in image.samples:
            assert json.dumps(post(address, record["input"])) == json.dumps([200, record["answer"]])
