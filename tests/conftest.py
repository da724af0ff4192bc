"""Packs shared by all tests, and the table of sizes at the end."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support import Packed, pack_case, run_nbslim

RECEIPTS = pytest.StashKey[dict[tuple[str, str], dict]]()


@pytest.fixture(scope="session")
def nbslim():
    return run_nbslim


@pytest.fixture(scope="session")
def packed(tmp_path_factory, request):
    """Pack a case with an engine, once for all tests that ask."""
    done: dict[tuple[Path, str], Packed] = {}

    def pack(case: Path, engine: str) -> Packed:
        if engine == "buildah" and shutil.which("buildah") is None:
            pytest.skip("buildah is not installed")
        if (case, engine) not in done:
            done[case, engine] = pack_case(case, engine, tmp_path_factory.mktemp(f"{case.name}-{engine}"))
            request.config.stash.setdefault(RECEIPTS, {})[case.name, engine] = done[case, engine].receipt
        return done[case, engine]

    yield pack
    for image in done.values():
        if image.engine == "buildah":
            subprocess.run(
                ["buildah", "rmi", "--force", image.receipt["reference"]], check=False, capture_output=True
            )


def pytest_terminal_summary(terminalreporter, config):
    receipts = config.stash.get(RECEIPTS, {})
    rows = {case: receipt for (case, _), receipt in sorted(receipts.items())}
    if not rows:
        return
    levels = sorted({level for r in rows.values() for level in r["sizes"]} - {"full", "image", "compressed"})
    write = terminalreporter.write_line
    terminalreporter.section("image sizes, in MB (1,000,000 bytes)")
    write("".join(f"{title:>14}" for title in ["fixture", "full", *levels, "ratio", "compressed"]))
    for case, receipt in rows.items():
        sizes = receipt["sizes"]
        cells = [f"{sizes['full'] / 1e6:.1f}", *(f"{sizes[level] / 1e6:.1f}" for level in levels)]
        ratio = f"{sizes['image'] / sizes['full']:.1%}"
        write("".join(f"{cell:>14}" for cell in [case, *cells, ratio, f"{sizes['compressed'] / 1e6:.1f}"]))
