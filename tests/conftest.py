"""The command as its users run it, packs shared by all tests, and the table of sizes at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
CACHE = ROOT / "build/cache"
NBSLIM = Path(sysconfig.get_path("scripts")) / "nbslim"
CASES = sorted(path.parent for path in ROOT.glob("fixtures/*/expect.toml"))
ENGINES = ("oci", "buildah")

needs_buildah = pytest.mark.skipif(shutil.which("buildah") is None, reason="buildah is not installed")
needs_podman = pytest.mark.skipif(shutil.which("podman") is None, reason="podman is not installed")


@dataclass(frozen=True)
class Packed:
    """A notebook that was packed, and where its archive lies."""

    case: Path
    engine: str
    receipt: dict
    archive: Path

    @property
    def expect(self) -> dict:
        return expectation(self.case)

    @property
    def samples(self) -> list[dict]:
        """Inputs with the notebook's own answers, as the bundle records them."""
        lines = (self.archive.parent / "bundle/samples.jsonl").read_text().split("\n")
        return [json.loads(line) for line in lines if line]


def expectation(case: Path) -> dict:
    return tomllib.loads((case / "expect.toml").read_text())


def run_nbslim(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the installed command as a user does; the tests' own cache keeps environments between runs."""
    environment = {**os.environ, "NBSLIM_CACHE": str(CACHE), **options.pop("variables", {})}
    command = [str(NBSLIM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, **options)


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
            done[case, engine] = _pack(case, engine, tmp_path_factory.mktemp(f"{case.name}-{engine}"))
            request.config.stash.setdefault(RECEIPTS, {})[case.name, engine] = done[case, engine].receipt
        return done[case, engine]

    return pack


def _pack(case: Path, engine: str, folder: Path) -> Packed:
    archive = folder / "image.oci.tar"
    result = run_nbslim(
        "pack", case / "notebook.ipynb", "--tag", f"nbslim-test/{case.name}-{engine}:1", "--engine", engine,
        "--output", archive, "--bundle", folder / "bundle", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Packed(case, engine, json.loads(result.stdout), archive)


RECEIPTS = pytest.StashKey[dict[tuple[str, str], dict]]()


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
