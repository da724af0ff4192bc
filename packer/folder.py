"""The notebook's folder, and which of its files the cells see."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from nbslim.analyzer import Notebook
from nbslim.packer.errors import ExecutionError

_FOREIGN = {".git", ".hg", ".svn", ".ipynb_checkpoints", "__pycache__", "node_modules"}


def copy_folder(notebook: Notebook, target: Path, *, but: Collection[Path] = ()) -> None:
    """Copy the notebook's folder, links followed, without version control, virtual environments and what is in `but`.

    Raises ExecutionError for what cannot be read.
    """

    def passed_over(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if _passed_over(Path(folder, name), but)}

    try:
        shutil.copytree(notebook.folder, target, ignore=passed_over, ignore_dangling_symlinks=True)
    except shutil.Error as error:
        source, _, reason = error.args[0][0]
        message = f"{source} cannot be copied: {reason}"
        raise ExecutionError(message, hint="the notebook runs in a copy of its folder") from error


def copied_files(folder: Path, *, but: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files and folders that `copy_folder` would copy, sorted in each folder."""
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _passed_over(Path(place, name), but))
        yield from (Path(place, name) for name in folders)
        yield from (path for name in sorted(names) if not _passed_over(path := Path(place, name), but))


def _passed_over(path: Path, but: Collection[Path]) -> bool:
    if path.name in _FOREIGN or (but and path.resolve() in but):
        return True
    if path.is_symlink() and path.parent.resolve().is_relative_to(path.resolve()):
        return True  # a link to a folder that holds it: following it would not end
    return (path / "pyvenv.cfg").exists() or path.is_socket() or path.is_fifo()
