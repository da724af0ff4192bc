"""What goes where in the image: one tree on disk, assembled from the interpreter, distributions, runtime and bundle."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from nbslim.packer.bytecode import compile_tree
from nbslim.packer.distributions import place_distributions, write_records
from nbslim.packer.elf import is_elf
from nbslim.packer.enclosure import Enclosure, enclose
from nbslim.packer.interpreter import Interpreter, assemble_interpreter
from nbslim.packer.oci import ImageConfig, Layer
from nbslim.packer.own import place_own_runtime
from nbslim.packer.workspace import remove_tree
from packaging.utils import canonicalize_name

DISTRIBUTIONS, RUNTIME, MODEL = "app/lib", "app/runtime", "app/model"

LAYERS = (
    Layer("interpreter", ("",)),
    Layer("distributions", (DISTRIBUTIONS,)),
    Layer("runtime", (RUNTIME,)),
    Layer("bundle", (MODEL,)),
)
"""By rate of change: a retrained model changes only the last."""

ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "NBSLIM_DISTRIBUTIONS": f"/{DISTRIBUTIONS}",
    "PATH": "/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"/{DISTRIBUTIONS}:/{RUNTIME}",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}


@dataclass(frozen=True)
class Parts:
    """All that an image can be assembled from."""

    interpreter: Interpreter
    site_packages: Path
    runtime: Path
    """Folder of the runtime's own dependencies."""
    bundle: Path
    cache: Path


def config(title: str, created: int) -> ImageConfig:
    """Return how the image starts: the runtime, as a numeric user of group 0, on port 8080."""
    return ImageConfig(
        entrypoint=("/usr/bin/python3", "-m", "nbslim.runtime"),
        env=ENVIRONMENT,
        user="1001:0",
        working_dir="/app/model",
        ports=(8080,),
        labels={"org.opencontainers.image.title": title},
        created=created,
    )


def assemble(parts: Parts, names: Collection[str], tree: Path, *, keep_sources: bool = False) -> Enclosure:
    """Assemble the image with the distributions `names` (PEP 503) in the folder `tree`, made anew.

    Of the runtime's own distributions, those that serving has as well are left out: the user's come first on the
    path. Returns the way into the tree.
    """
    remove_tree(tree)
    tree.mkdir(parents=True)
    libraries, runtime = tree / DISTRIBUTIONS, tree / RUNTIME
    placed = place_distributions(parts.site_packages, names, libraries)
    own = place_distributions(parts.runtime, _all_in(parts.runtime) - set(names), runtime)
    place_own_runtime(runtime)
    shutil.copytree(parts.bundle, tree / MODEL)
    assemble_interpreter(
        parts.interpreter, tree, libraries_for=[p for p in libraries.rglob("*") if is_elf(p)]
    )
    enclosure = enclose(tree)
    compile_tree(
        enclosure,
        [f"usr/lib/{parts.interpreter.name}", DISTRIBUTIONS, RUNTIME, f"{MODEL}/modules"],
        version=parts.interpreter.version,
        cache=parts.cache / "bytecode",
        keep_sources=keep_sources,
    )
    write_records(libraries, placed)
    write_records(runtime, own)
    return enclosure


def _all_in(folder: Path) -> set[str]:
    return {canonicalize_name(d.metadata["Name"]) for d in distributions(path=[str(folder)])}
