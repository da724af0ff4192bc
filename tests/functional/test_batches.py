"""Batches are scored at once where that is proved, and row by row where it is not; the user is told."""

from __future__ import annotations

import json

import pytest
from notebooks import write_notebook
from support import post, run_nbslim, serving

OWN = """
def predictor(x):
    return x * 2

def predictor_batch(xs):
    import colorsys
    return [colorsys.rgb_to_yiq(x, x, x) and x * {factor} for x in xs]
"""
SAMPLES = "samples = [1, 2, 5]"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """Pack an own batched form, once for each factor."""
    done = {}

    def pack(factor):
        if factor not in done:
            folder = tmp_path_factory.mktemp("batches")
            notebook = write_notebook(folder / "own.ipynb", OWN.format(factor=factor), SAMPLES)
            archive = folder / "own.oci.tar"
            result = run_nbslim(
                "pack",
                notebook,
                "--tag",
                "nbslim-test/own:1",
                "--engine",
                "oci",
                "--output",
                archive,
                "--json",
            )
            assert result.returncode == 0, result.stderr
            done[factor] = archive, json.loads(result.stdout), result.stderr
        return done[factor]

    return pack


def test_image_keeps_what_only_batches_import(packed, tmp_path):
    archive, receipt, said = packed(2)
    assert receipt["batch"] == {"form": "defined", "reason": None}
    assert "batches:" not in said
    with serving(archive, tmp_path) as (address, _):
        assert post(address, [1, 4, 9], "/predict/batch") == (200, [2, 8, 18])


def test_own_form_that_disagrees_is_told_and_not_used(packed, tmp_path):
    archive, receipt, said = packed(3)
    reason = "1 gets 3 in a batch, and 2 alone"
    assert receipt["batch"] == {"form": "looped", "reason": reason}
    warning = f"predictor_batch does not do what predictor does, and is not used: {reason}"
    assert warning in receipt["warnings"]
    assert f"warning: {warning}" in said
    assert f"batches: one row after the other, because {reason}" in said
    with serving(archive, tmp_path) as (address, _):
        assert post(address, [1, 4, 9], "/predict/batch") == (200, [2, 8, 18])


MIXED = """
def halves(rows):
    return [0.5 * sum(row) for row in rows]

def predictor(x):
    return halves([x])[0]
"""


def test_bundle_says_that_whole_numbers_may_be_beside_fractions(tmp_path):
    notebook = write_notebook(tmp_path / "mixed.ipynb", MIXED, "samples = [[0.5, 1], [1, 2], [3, 0.25]]")
    archive, bundle = tmp_path / "mixed.oci.tar", tmp_path / "bundle"
    result = run_nbslim(
        "pack", notebook, "--tag", "nbslim-test/mixed:1", "--engine", "oci", "--output", archive, "--bundle", bundle
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert json.loads((bundle / "batches.json").read_text()) == {"mixed": True}
    with serving(archive, tmp_path) as (address, _):
        assert post(address, [[1, 2], [0.5, 1]], "/predict/batch") == (200, [1.5, 0.75])
