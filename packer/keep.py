"""What the user wants kept, whatever replay shows: modules, or files by a pattern."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nbslim.packer.draft import Draft
from nbslim.packer.errors import ArgumentError
from nbslim.packer.known import ACCELERATORS
from nbslim.packer.layout import DISTRIBUTIONS
from nbslim.packer.removed import module_names


@dataclass(frozen=True)
class Kept:
    """Modules by name, and patterns of files relative to the tree."""

    modules: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def wanted(draft: Draft, patterns: Collection[str], *, accelerator: bool = False) -> Kept:
    """Return what `patterns` mean in `draft`: names of modules, with all below them, or of files where there is a `/`.

    Both may hold wildcards. `accelerator` keeps the distributions for a GPU. Raises ArgumentError for what matches
    nothing.
    """
    folders = (DISTRIBUTIONS, draft.stdlib, f"{draft.stdlib}/lib-dynload")
    names = {name for folder in folders for name in module_names(draft.tree / folder)} if patterns else set()
    modules, files = set[str](), set[str]()
    for pattern in patterns:
        found = {name for name in names if means(pattern, name)}
        below = [f"{folder}/{pattern}" for folder in folders]
        outermost = {name for name in found if name.rpartition(".")[0] not in found}
        below += [f"{folder}/{name.replace('.', '/')}/*" for folder in folders for name in outermost]
        if not found and not any(fnmatchcase(path, one) for path in draft.files for one in below):
            message = f"--keep {pattern}: there is no such module or file in what serving may hold"
            raise ArgumentError(
                message, hint="name a module (sklearn.datasets), or files (tzdata/zoneinfo/*)"
            )
        modules |= found
        files.update(below)
    return Kept(tuple(sorted(modules)), (*sorted(files), *(_accelerators(draft) if accelerator else ())))


def means(pattern: str, name: str) -> bool:
    """Whether `pattern` is for the module `name`, or for a package above it."""
    parts = name.split(".")
    return any(fnmatchcase(".".join(parts[:end]), pattern) for end in range(1, len(parts) + 1))


def _accelerators(draft: Draft) -> Iterable[str]:
    """Return the files of distributions that serve a GPU."""
    return (path for info, files in draft.distributions.items() if for_gpu(name_of(info)) for path in files)


def for_gpu(distribution: str) -> bool:
    """Whether a distribution (PEP 503 name) serves a GPU alone."""
    return any(fnmatchcase(distribution, pattern) for pattern in ACCELERATORS)


def name_of(info: str) -> str:
    """Return the distribution's name (PEP 503) for its `*.dist-info` folder."""
    return info.rpartition("/")[2].partition("-")[0].replace("_", "-").lower()
