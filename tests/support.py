"""The command as its users run it, and the examples that all tests share."""

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


def pack_case(case: Path, engine: str, folder: Path) -> Packed:
    archive = folder / "image.oci.tar"
    result = run_nbslim(
        "pack", case / "notebook.ipynb", "--tag", f"nbslim-test/{case.name}-{engine}:1", "--engine", engine,
        "--output", archive, "--bundle", folder / "bundle", "--json",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return Packed(case, engine, json.loads(result.stdout), archive)
