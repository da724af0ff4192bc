"""One notebook is one image, whatever nbslim's cache holds already."""

from __future__ import annotations

import json

from support import CACHE, ROOT, run_nbslim


def test_cold_cache_gives_the_same_image(tmp_path):
    digests = set()
    for cache in (tmp_path / "cache", CACHE):
        result = run_nbslim(
            "pack", ROOT / "tests/notebooks/plain.ipynb", "--engine", "oci", "--json", "--no-cache",
            cwd=tmp_path, variables={"NBSLIM_CACHE": str(cache)},
        )  # fmt: skip
        assert result.returncode == 0, result.stderr
        digests.add(json.loads(result.stdout)["digest"])
    assert len(digests) == 1
