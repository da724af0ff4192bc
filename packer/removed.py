"""Tells the runtime which modules slimming removed, so that a miss explains itself."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from nbslim.packer.layout import RUNTIME

FILE = f"{RUNTIME}/removed.json"

_SUFFIXES = (".py", ".pyc", ".so")
"""Of sources, bytecode and extension modules, whatever stands before (`.cpython-311-x86_64-linux-gnu.so`)."""


def write_removed(
    tree: Path,
    level: str,
    full: Collection[str],
    folders: Iterable[str],
    harmless: Mapping[str, Collection[str]],
) -> None:
    """Write which of the modules `full` are in none of the `folders` of the tree, relative to it.

    `harmless` are modules with those who asked for them in replay, and did without.
    """
    kept = {name for folder in folders for name in module_names(tree / folder)}
    gone = set(full) - kept
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


def module_names(folder: Path) -> frozenset[str]:
    """Return the names of all modules that can be imported from `folder`, with those of folders that hold any."""
    named: set[str] = set()
    _add_names(str(folder), "", named)
    parents = {name[:index] for name in named for index, char in enumerate(name) if char == "."}
    return frozenset(named | parents) - {""}


def _add_names(folder: str, package: str, named: set[str]) -> None:
    prefix = f"{package}." if package else ""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            stem, dot, rest = entry.name.partition(".")
            if not stem.isidentifier() or stem == "__pycache__":
                continue
            if dot and f".{rest}".endswith(_SUFFIXES):
                named.add(package if stem == "__init__" else prefix + stem)
            elif not dot and entry.is_dir():
                _add_names(entry.path, prefix + stem, named)
