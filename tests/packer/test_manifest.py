"""The manifest lists what a bundle holds when it is written."""

import json
import os
import pickle
from pathlib import Path

import pytest
from bundles import write_bundle
from nbslim.packer.bundle import files_naming
from nbslim.packer.manifest import About, write_manifest
from nbslim.runtime.buffers import LEAST
from nbslim.runtime.integrity import IntegrityError, digest

ABOUT = About("toy", "3.11", "ab" * 32)


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "bundle"
    (folder / "files/deep").mkdir(parents=True)
    (folder / "b").write_text("b")
    (folder / "files/deep/a").write_text("aa")
    return folder


def written(folder, *arguments):
    write_manifest(folder, ABOUT, *arguments)
    return json.loads((folder / "manifest.json").read_text())


def test_every_file_is_listed_by_its_path(bundle):
    assert written(bundle, {})["files"] == {
        "b": {"size": 1, "sha256": digest(bundle / "b")},
        "files/deep/a": {"size": 2, "sha256": digest(bundle / "files/deep/a")},
    }


def test_manifest_does_not_list_itself_and_leaves_nothing_beside(bundle, tmp_path):
    assert written(bundle, {}) == written(bundle, {})
    assert os.listdir(tmp_path) == ["bundle"]  # noqa: PTH208 - names alone


def test_order_of_what_is_written_is_fixed(bundle):
    one = written(bundle, {"numpy": "2", "attrs": "1"}, "modules")
    assert list(one["distributions"]) == ["attrs", "numpy"]
    assert list(one["files"]) == sorted(one["files"])
    assert one["level"] == "modules"


def test_manifest_that_another_tree_links_stays_what_it_is(bundle, tmp_path):
    before = written(bundle, {})
    os.link(bundle / "manifest.json", tmp_path / "linked")
    written(bundle, {"numpy": "2"})
    assert json.loads((tmp_path / "linked").read_text()) == before


def test_files_that_hold_a_path_are_told(tmp_path):
    values = {"predictor": len, "held": pickle.PickleBuffer(bytes(LEAST) + b"/cache/packs/a1b2c3/work")}
    folder = write_bundle(tmp_path / "bundle", values)
    assert (folder / "samples.jsonl").stat().st_size == 0
    assert files_naming(folder, Path("/cache/packs/a1b2c3")) == ("entry_points.buffers",)
    assert files_naming(folder, Path("/cache/packs/d4e5f6")) == ()


def test_link_is_refused(bundle):
    (bundle / "link").symlink_to("b")
    with pytest.raises(IntegrityError, match="link: it is neither a file nor a folder"):
        written(bundle, {})
