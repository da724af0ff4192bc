"""The draft tree: everything that an image may hold, as it is installed, to be traced and chosen from."""

from __future__ import annotations

import re
import shutil
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath

from nbslim.packer.distributions import compiled_beside, place_distributions
from nbslim.packer.elf import is_elf
from nbslim.packer.interpreter import Interpreter, assemble_interpreter
from nbslim.packer.layout import DISTRIBUTIONS, MODEL, RUNTIME, files_below
from nbslim.packer.own import place_own_runtime
from nbslim.packer.workspace import remove_tree
from packaging.utils import canonicalize_name

SHARED = re.compile(r"\.so(\.\d+)*$")
"""Names of shared libraries, extension modules among them."""


@dataclass(frozen=True)
class Parts:
    """All that an image can be assembled from."""

    interpreter: Interpreter
    site_packages: Path
    runtime: Path
    """Folder of the runtime's own dependencies."""
    bundle: Path
    cache: Path


@dataclass(frozen=True)
class Draft:
    """An assembled tree; all paths are relative to it."""

    tree: Path
    python: str
    """Name of the interpreter and of the standard library's folder, such as `python3.11`."""
    cache_tag: str
    """What the names of its bytecode files hold, such as `cpython-311`."""
    distributions: Mapping[str, Sequence[str]]
    """The files of each distribution, under its `*.dist-info` folder."""

    @cached_property
    def files(self) -> frozenset[str]:
        """All files and links, but compiled ones: they are made anew for what is kept."""
        return frozenset(path for path in files_below(self.tree) if "/__pycache__/" not in path)

    @cached_property
    def owners(self) -> Mapping[str, str]:
        """The `*.dist-info` folder for each file of a distribution."""
        return {path: info for info, files in self.distributions.items() for path in files}

    @cached_property
    def shared(self) -> Mapping[str, str]:
        """The shared libraries of distributions, by name."""
        found = (
            path for path in sorted(self.files) if path.startswith(DISTRIBUTIONS) and SHARED.search(path)
        )
        return {PurePosixPath(path).name: path for path in found}

    @property
    def stdlib(self) -> str:
        """Folder of the standard library."""
        return f"usr/lib/{self.python}"

    def bytes(self, paths: Collection[str]) -> int:
        """Return the bytes that files would have in an image: of a source, those of its bytecode."""
        return sum(map(self._bytes, paths))

    def _bytes(self, path: str) -> int:
        for name in (compiled_beside(path, self.cache_tag), path):
            with suppress(OSError):
                status = (self.tree / name).lstat() if name else None
                if status:
                    return 0 if stat.S_ISLNK(status.st_mode) else status.st_size
        return 0


def lay_draft(parts: Parts, names: Collection[str], tree: Path) -> Draft:
    """Assemble the interpreter, the distributions `names` (PEP 503), the runtime and the bundle in `tree`, made anew.

    Sources come with the bytecode that is installed with them. Of the runtime's own distributions, those that
    serving has as well are left out: the user's come first on the path.
    """
    remove_tree(tree)
    tree.mkdir(parents=True)
    libraries, runtime, tag = tree / DISTRIBUTIONS, tree / RUNTIME, parts.interpreter.cache_tag
    placed = place_distributions(parts.site_packages, names, libraries, bytecode=tag)
    own = place_distributions(parts.runtime, _all_in(parts.runtime) - set(names), runtime, bytecode=tag)
    place_own_runtime(runtime)
    shutil.copytree(parts.bundle, tree / MODEL)
    elves = [path for folder in (libraries, runtime) for path in folder.rglob("*.so*") if is_elf(path)]
    assemble_interpreter(parts.interpreter, tree, libraries_for=elves, bytecode=True, cache=parts.cache)
    all_placed = {**_below(DISTRIBUTIONS, placed), **_below(RUNTIME, own)}
    return Draft(tree, parts.interpreter.name, tag, all_placed)


def _below(folder: str, placed: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return {f"{folder}/{info}": [f"{folder}/{path}" for path in files] for info, files in placed.items()}


def _all_in(folder: Path) -> set[str]:
    return {canonicalize_name(d.metadata["Name"]) for d in distributions(path=[str(folder)])}
