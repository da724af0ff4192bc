"""Modules that a distribution brings onto the search path from other folders: by a `.pth` file, or used in place."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from nbslim.analyzer.parsing import parsed
from nbslim.analyzer.types import Origin

_DEPTH = 3
"""How far below a folder of the search path a namespace's packages are looked for."""
_FILE = re.compile(r"(?P<stem>\w+)\.(?:pyc?|(?:[^.]+\.)?(?:so|pyd))")


def modules_elsewhere(
    site_packages: Path, files: Sequence[str], origin: Origin | None
) -> Iterator[tuple[str, str]]:
    """Yield the modules outside its own folders that a distribution with these files provides, with their files."""
    folders = [
        folder
        for file in files
        if file.endswith(".pth") and "/" not in file
        for folder in added_folders(site_packages / file)
    ]
    found = [module for folder in folders for module in top_levels(folder)]
    if origin and origin.editable:
        finders = (site_packages / file for file in files if file.endswith(".py") and "/" not in file)
        found += [pair for finder in finders for pair in _mapped(finder)]
        found = found or list(_in_project(folder_of(origin)))
    yield from dict.fromkeys(found)


def added_folders(pth: Path) -> Iterator[Path]:
    """Yield the folders that a `.pth` file adds to the search path; lines that are code are passed over."""
    try:
        lines = pth.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        text = line.strip()
        if text and not text.startswith(("#", "import ", "import\t")):
            folder = Path(os.path.normpath(pth.parent / text))
            if folder.is_dir() and folder != pth.parent:
                yield folder


def top_levels(folder: Path, depth: int = _DEPTH) -> Iterator[tuple[str, str]]:
    """Yield the packages and modules right below `folder`, those inside namespaces too, with their files."""
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        package = next((name for name in ("__init__.py", "__init__.pyc") if _has(entry, name)), None)
        if package:
            yield entry.name, f"{entry.path}/{package}"
        elif entry.is_dir() and entry.name.isidentifier() and depth and entry.name != "__pycache__":
            inner = top_levels(Path(entry.path), depth - 1)
            yield from ((f"{entry.name}.{module}", file) for module, file in inner)
        elif (match := _FILE.fullmatch(entry.name)) and match["stem"].isidentifier():
            yield match["stem"], entry.path


def folder_of(origin: Origin) -> Path:
    """Return the folder that a `file:` URL names."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - few environments have anything editable, and ...
    from urllib.request import url2pathname  # noqa: PLC0415 - ... this takes longer than reading one

    return Path(url2pathname(urlsplit(origin.url).path))


def _mapped(finder: Path) -> Iterator[tuple[str, str]]:
    """Yield modules with their files as a build backend's import hook maps them, by its literals alone."""
    try:
        tree = parsed(finder.read_bytes())
    except OSError:
        return
    for node in ast.walk(tree) if tree else ():
        for name, path in _pairs(node):
            if all(map(str.isidentifier, name.split("."))) and (file := _file(path)):
                yield name, file


def _pairs(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Dict):
        pairs: Iterable[Sequence[ast.expr | None]] = zip(node.keys, node.values)
    elif isinstance(node, ast.Call):
        pairs = [node.args[:2]]
    else:
        return
    for pair in pairs:
        texts = [one.value for one in pair if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if len(texts) == 2:
            yield texts[0], texts[1]


def _file(path: str) -> str | None:
    candidates = (Path(path, "__init__.py"), Path(f"{path}.py"), Path(path))
    return next((str(one) for one in candidates if one.is_absolute() and one.is_file()), None)


def _in_project(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what lies in a project's folder, where nothing says how it comes onto the search path."""
    source = folder / "src"
    yield from top_levels(source if source.is_dir() else folder)


def _has(entry: os.DirEntry[str], name: str) -> bool:
    return entry.name.isidentifier() and entry.is_dir() and Path(entry.path, name).is_file()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
