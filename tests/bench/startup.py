"""Start to first answer, and memory after it: the slim image beside the whole environment of a one-stage image."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from statistics import median

from containers import container, wait_for
from examples import Examples
from full import full_environment
from nbslim.packer.elf import is_elf
from nbslim.packer.enclosure import enclose
from nbslim.packer.environments import make_runtime, runtime_requirements
from nbslim.packer.image import DISTRIBUTIONS, MODEL, RUNTIME
from nbslim.packer.interpreter import assemble_interpreter, describe
from nbslim.packer.own import place_own_runtime
from nbslim.packer.unpack import unpack_archive
from processes import memory
from support import CACHE, ROOT, Packed, post

NAMES = ("kmeans", "iris_report")
ROUNDS = 7
WITHOUT_BYTECODE = {"PYTHONPYCACHEPREFIX": "/nowhere"}
"""Python then looks for bytecode where there is none, and the image's environment forbids it to write any."""


@dataclass(frozen=True)
class Variant:
    """A root file system, and what its service's environment has besides the image's."""

    title: str
    tree: Path
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Seconds from `podman start` to the first answer, and bytes of memory after it."""

    seconds: float
    rss: int
    pss: int


def table(examples: Examples) -> None:
    """Print what each variant of the two examples takes, and how many times the slim image's that is."""
    print(
        f"from `podman start` to the first answer of /predict, in seconds, and memory after it, in MB: {ROUNDS} runs"
    )
    print(
        "in turn of the slim image and of the whole environment as a one-stage image has it; x: ratio to the slim image"
    )
    if not shutil.which("podman"):
        print("podman is not installed: not measured")
        return
    columns = ("best", "median", "x", "RSS", "x", "PSS", "x")
    print(f"{'fixture':>13}{'':>20}" + "".join(f"{title:>8}" for title in columns))
    for name in NAMES:
        image = examples.packed(ROOT / "fixtures" / name)
        with tempfile.TemporaryDirectory() as folder:
            for title, cells in _rows(_measured(image, Path(folder))):
                print(f"{name:>13}{title:>20}" + "".join(f"{cell:>8}" for cell in cells), flush=True)


def _rows(runs_of: Mapping[str, Sequence[Run]]) -> Iterator[tuple[str, list[str]]]:
    medians = {
        title: Run(*(median(column) for column in zip(*map(astuple, runs))))
        for title, runs in runs_of.items()
    }
    slim = medians["slim"]
    for title, run in medians.items():
        best = min(run.seconds for run in runs_of[title])
        cells = [f"{best:.2f}", f"{run.seconds:.2f}", f"{run.seconds / slim.seconds:.2f}"]
        cells += [f"{run.rss / 1e6:.1f}", f"{run.rss / slim.rss:.2f}"]
        yield title, [*cells, f"{run.pss / 1e6:.1f}", f"{run.pss / slim.pss:.2f}"]


def _measured(image: Packed, folder: Path) -> dict[str, list[Run]]:
    slim, whole = folder / "slim", folder / "whole"
    slim.mkdir()
    unpack_archive(image.archive, slim)
    lay_unslimmed(image, whole)
    variants = (
        Variant("slim", slim),
        Variant("whole, bytecode", whole),
        Variant("whole, no bytecode", whole, WITHOUT_BYTECODE),
    )
    sample = image.samples[0]["input"]
    for variant in variants:
        start(variant, sample)  # fills the page cache
    rounds = [[start(variant, sample) for variant in variants] for _ in range(ROUNDS)]
    return {variant.title: list(runs) for variant, runs in zip(variants, zip(*rounds))}


def lay_unslimmed(image: Packed, tree: Path) -> None:
    """Lay what a one-stage image holds: every distribution and the standard library, bytecode beside the sources."""
    environment = full_environment(image.case)
    runtime = make_runtime(environment.python, runtime_requirements(), cache=CACHE)
    no_venv = shutil.ignore_patterns("_virtualenv.*")
    shutil.copytree(environment.site_packages, tree / DISTRIBUTIONS, ignore=no_venv)
    shutil.copytree(runtime, tree / RUNTIME)
    place_own_runtime(tree / RUNTIME)
    shutil.copytree(image.archive.parent / "bundle", tree / MODEL)
    interpreter = describe(str(environment.python.executable))
    libraries = [path for path in (tree / DISTRIBUTIONS).rglob("*") if is_elf(path)]
    assemble_interpreter(interpreter, tree, libraries_for=libraries)
    enclosure = enclose(tree)
    folders = [enclosure.path(f"/{name}") for name in (f"usr/lib/{interpreter.name}", RUNTIME, MODEL)]
    command, variables = enclosure.command(
        ["-m", "compileall", "-q", *folders], environment={}, writable=True
    )
    subprocess.run(command, env=variables, cwd="/", check=True)


def start(variant: Variant, sample: object) -> Run:
    """Start the variant's service in a new container, and measure it when it has answered."""
    with container(variant.tree, variant.variables) as service:
        wait_for(lambda: post(service.address, sample)[0] == 200)
        seconds = time.monotonic() - service.at
        taken = memory(service.process())
        return Run(seconds, taken.rss, taken.pss)
