"""The bundle: the folder that the runtime serves, and what the packer adds to what the kernel wrote there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path, PurePosixPath
from typing import Any

from nbslim.analyzer import Pickled, as_imported, leads_out, read_pickle
from nbslim.packer.errors import BuildError
from nbslim.runtime.buffers import FILE as BUFFERS
from nbslim.runtime.buffers import map_buffers
from nbslim.runtime.bundle import FILES, PICKLE, SAMPLES


def leave_bundle(bundle: Path, target: Path) -> None:
    """Copy the bundle to `target`, which must not exist or be empty. Raises BuildError otherwise."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = f"{target} is not an empty folder"
        raise BuildError(message, hint="give --bundle a new folder")
    shutil.copytree(bundle, target, dirs_exist_ok=True)


def sample_records(bundle: Path) -> list[dict[str, Any]]:
    """Return the samples that the kernel wrote, each with what became of it."""
    lines = (bundle / SAMPLES).read_text("utf-8").split("\n")
    return [json.loads(line) for line in lines if line]


def files_naming(bundle: Path, folder: Path) -> tuple[str, ...]:
    """Return the names of the bundle's own files that hold the path of `folder`, however it is spelled.

    The last part of a workspace's path is drawn at random, so nothing else holds it.
    """
    written = (PICKLE, BUFFERS, SAMPLES)
    return tuple(name for name in written if _holds(bundle / name, folder.name.encode()))


def _holds(path: Path, text: bytes) -> bool:
    if not path.exists() or not path.stat().st_size:  # what is empty cannot be mapped
        return False
    with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as mapped:
        return mapped.find(text) >= 0


def read_entry_points(bundle: Path) -> Pickled:
    """Return what loading the pickled entry points would make, without loading them."""
    aside = bundle / BUFFERS
    return read_pickle((bundle / PICKLE).read_bytes(), map_buffers(aside) if aside.exists() else ())


@dataclass(frozen=True)
class LocalModules:
    """Brings modules from beside the notebook into the bundle."""

    work: Path
    target: Path
    loaded: Mapping[str, str]
    """The modules below `work` that the notebook loaded: their names, with their files as relative paths."""
    roots: tuple[str, ...] = ("",)
    """Folders in which modules are looked for, relative to `work`."""

    def add(self, module: str) -> bool:
        """Copy `module`, with the packages that hold it; returns whether it is one of the notebook's own, and new."""
        parts = module.split(".")
        names = (".".join(parts[: end + 1]) for end in range(len(parts)))
        added = [
            self._copy(self.loaded[name], _path(name, self.loaded[name]))
            for name in names
            if name in self.loaded
        ]
        return any(added)

    def add_files(self, files: Iterable[str]) -> None:
        """Copy `files` (relative to the notebook's folder) to where their modules are found by their own names."""
        for file in files:
            for path in self._paths(file):
                self._copy(file, path)

    def _paths(self, file: str) -> Iterator[str]:
        """Yield where a file goes: by the names under which it was loaded, or by all that it may have."""
        names = [name for name, loaded in self.loaded.items() if loaded == file]
        yield from (_path(name, file) for name in names) if names else as_imported(file, self.roots)

    def _copy(self, file: str, path: str) -> bool:
        source, target = self.work / file, self.target / path
        if target.exists() or not source.is_file():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        return True


def _path(module: str, file: str) -> str:
    """Return where the file of a module lies below the folder from which it is imported by its name."""
    name, path = PurePosixPath(*module.split(".")), PurePosixPath(file)
    return str(name / path.name if path.name.startswith("__init__.") else name.with_name(path.name))


def add_data(bundle: Path, work: Path, files: Iterable[str]) -> None:
    """Copy those of `files`, files or folders named from `work`, that are there and inside it into the bundle."""
    for file in files:
        source, target = work / file, bundle / FILES / os.path.normpath(file)
        if leads_out(file) or not source.exists():
            continue
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
