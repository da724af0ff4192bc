"""Packs shared by all tests, and the table of sizes at the end."""

from __future__ import annotations

import shutil
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support import CASES, ENGINES, Packed, expectation, pack_case, run_nbslim

# How long an example takes says how busy the machine is.
settings.register_profile("nbslim", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("nbslim")

LEVELS = ("packages", "modules")

RECEIPTS = pytest.StashKey[dict[tuple[str, str], dict]]()


@pytest.fixture(scope="session")
def nbslim():
    return run_nbslim


@pytest.fixture(scope="session")
def packed(tmp_path_factory, request):
    """Pack a case with an engine, once for all tests that ask.

    With the first of the examples all others start too, two at a time: packing them takes most of the suite's time.
    """
    receipts = request.config.stash.setdefault(RECEIPTS, {})
    done: dict[tuple[Path, str], Future[Packed]] = {}
    engines = [engine for engine in ENGINES if engine == "oci" or shutil.which("buildah")]

    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = {params["case"] for params in calls if params.get("case") in CASES}
    selected = [case for case in CASES if case in chosen]

    def pack(case: Path, engine: str) -> Packed:
        if engine not in engines:
            pytest.skip("buildah is not installed")
        wanted = [(case, engine)]
        if case in selected and wanted[0] not in done:
            # Two cases side by side, so that an engine finds the layers that the other one has compressed.
            pairs = [selected[start : start + 2] for start in range(0, len(selected), 2)]
            wanted = [(case, engine) for pair in pairs for engine in engines for case in pair]
        for pair in wanted:
            if pair not in done:
                folder = tmp_path_factory.mktemp("-".join([pair[0].name, pair[1]]))
                done[pair] = pool.submit(pack_case, *pair, folder)
        image = done[case, engine].result()
        receipts[case.name, engine] = image.receipt
        return image

    with ThreadPoolExecutor(2) as pool:
        yield pack
    for future in done.values():
        if future.exception() is None and future.result().engine == "buildah":
            reference = future.result().receipt["reference"]
            subprocess.run(["buildah", "rmi", "--force", reference], check=False, capture_output=True)


def pytest_terminal_summary(terminalreporter, config):
    receipts = config.stash.get(RECEIPTS, {})
    rows = {case: receipt for (case, _), receipt in sorted(receipts.items())}
    if not rows:
        return
    levels = [level for level in LEVELS if any(level in receipt["sizes"] for receipt in rows.values())]
    write = terminalreporter.write_line
    terminalreporter.section("image sizes, in MB (1,000,000 bytes); last: modules as it was")
    titles = ["fixture", "full", *levels, "ratio", "compressed", "last"]
    write("".join(f"{title:>14}" for title in titles))
    last = {case.name: expectation(case)["sizes"]["modules"] for case in CASES}
    for case, receipt in rows.items():
        sizes = receipt["sizes"]
        cells = [f"{sizes[level] / 1e6:.1f}" if level in sizes else "-" for level in ("full", *levels)]
        ratio, compressed = f"{sizes['image'] / sizes['full']:.1%}", f"{sizes['compressed'] / 1e6:.1f}"
        write("".join(f"{cell:>14}" for cell in [case, *cells, ratio, compressed, last.get(case, "-")]))
