"""Tells the runtime which modules slimming removed, so that a miss explains itself."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import all_suffixes
from pathlib import Path

from nbslim.packer.layout import RUNTIME

FILE = f"{RUNTIME}/removed.json"

_SUFFIXES = sorted({*all_suffixes(), ".so", ".py", ".pyc"}, key=len, reverse=True)


def write_removed(
    tree: Path,
    level: str,
    full: Iterable[Path],
    folders: Iterable[str],
    harmless: Mapping[str, Collection[str]],
) -> None:
    """Write what the folders of modules `full` have and those of the tree (`folders`, relative to it) have not.

    `harmless` are modules with those who asked for them in replay, and did without.
    """
    kept = {name for folder in folders for name in module_names(tree / folder)}
    gone = {name for folder in full for name in module_names(folder)} - kept
    modules: dict[str, list[str]] = {}
    for name in sorted(gone):
        parent, _, last = name.rpartition(".")
        if parent not in gone:
            modules.setdefault(parent, []).append(last)
    asked: dict[str, set[str]] = {}
    for name, who in harmless.items():
        for cover in _covers(name, gone):
            asked.setdefault(cover, set()).update(who)
    known = {name: sorted(who) for name, who in sorted(asked.items())}
    document = {"level": level, "modules": modules, "harmless": known}
    (tree / FILE).write_text(json.dumps(document, separators=(",", ":")) + "\n")


def _covers(name: str, gone: Collection[str]) -> list[str]:
    """Return the outermost of the package names of `name` that is gone, if any is."""
    parts = name.split(".")
    names = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return [one for one in names if one in gone][:1]


def module_names(folder: Path) -> Iterator[str]:
    """Yield the names of all modules that can be imported from `folder`, with those of folders that hold any."""
    named = set()
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        package = os.path.relpath(place, folder).replace(os.sep, ".") if place != str(folder) else ""
        for file in files:
            suffix = next((suffix for suffix in _SUFFIXES if file.endswith(suffix)), None)
            stem = file.removesuffix(suffix).partition(".")[0] if suffix else ""
            if stem == "__init__":
                named.add(package)
            elif stem.isidentifier():
                named.add(f"{package}.{stem}" if package else stem)
    parents = {name[:index] for name in named for index, char in enumerate(name) if char == "."}
    yield from (named | parents) - {""}
