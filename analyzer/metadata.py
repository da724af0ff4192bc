"""One installed distribution as its metadata folder tells, whoever installed it: pip, uv, conda, Debian, setuptools."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PathDistribution
from pathlib import Path

from nbslim.analyzer.conda import noted_files
from nbslim.analyzer.editable import modules_elsewhere
from nbslim.analyzer.origins import read_origin
from nbslim.analyzer.types import Origin
from packaging.utils import canonicalize_name

_MODULE = re.compile(r"(?P<stem>[^.]+)\.(?:pyc?|(?:[^.]+\.)?(?:so|pyd))")
_SUFFIXES = (".dist-info", ".egg-info")


@dataclass(frozen=True)
class Distribution:
    """What its metadata tell of a distribution; `files` are relative to `folder`, POSIX."""

    name: str
    """In PEP 503 normal form."""
    version: str
    folder: Path
    files: tuple[str, ...]
    requires: tuple[str, ...]
    top_level: tuple[str, ...] = ()
    """Modules of a distribution whose files are not known."""
    elsewhere: tuple[tuple[str, str], ...] = ()
    """Modules that it brings onto the search path from other folders, with their files."""
    origin: Origin | None = None
    """Where it was installed from, if not from an index."""
    info: Path | None = None
    """Its metadata folder."""

    def modules(self) -> Iterator[tuple[str, str]]:
        """Yield its dotted modules with their files."""
        root = os.fspath(self.folder)
        for file in self.files:
            *folders, last = file.split("/")
            match = _MODULE.fullmatch(last)
            parts = [*folders, match["stem"]] if match else []
            if parts and all(map(str.isidentifier, parts)) and "__pycache__" not in folders:
                yield ".".join(parts[:-1] if parts[-1] == "__init__" and folders else parts), f"{root}/{file}"
        yield from self.elsewhere
        if not self.files:
            yield from ((module, f"{root}/{module}") for module in self.top_level)

    def entry_point_groups(self) -> frozenset[str]:
        """Name the groups in which it offers entry points."""
        return frozenset(re.findall(r"^\s*\[\s*(.+?)\s*\]", self.text("entry_points.txt"), re.MULTILINE))

    def text(self, file: str) -> str:
        """Return what a file in its metadata folder says; nothing if it is not there."""
        return _text(self.info / file) or "" if self.info else ""


@dataclass(frozen=True)
class _Folder:
    """A folder of the search path."""

    path: Path

    @cached_property
    def noted(self) -> Mapping[str, Sequence[str]]:
        """What conda notes of the files in it; rarely asked for, as most distributions list them by themselves."""
        return noted_files(self.path)


def read_folder(path: Path) -> Iterator[Distribution]:
    """Yield the distributions whose metadata lie in `path`."""
    folder = _Folder(path)
    for info in sorted(path.iterdir()) if path.is_dir() else ():
        if info.suffix in _SUFFIXES and (distribution := _read(info, folder)):
            yield distribution


def _read(info: Path, folder: _Folder) -> Distribution | None:
    # an .egg-info may be a file, not a folder
    headers = _headers(_text(info / "METADATA") or _text(info / "PKG-INFO") or _text(info) or "")
    if "name" not in headers:  # a folder that an uninstaller left half empty has none
        return None
    egg = info.name.endswith(".egg-info")
    name = headers["name"][0]
    files = tuple(_files(info, name, folder))
    origin = read_origin(_text(info / "direct_url.json"))
    return Distribution(
        canonicalize_name(name),
        headers.get("version", ["0"])[0],
        folder.path,
        files,
        tuple(PathDistribution(info).requires or ()) if egg else tuple(headers.get("requires-dist", ())),
        () if files else _top_level(info, name, folder.path),
        tuple(modules_elsewhere(folder.path, files, origin)),
        origin,
        info,
    )


def _headers(text: str) -> dict[str, list[str]]:
    """Return the headers by their names in lower case; what follows the first empty line is the description."""
    found: dict[str, list[str]] = {}
    for line in re.sub(r"\n[ \t]+", " ", text.partition("\n\n")[0]).split("\n"):
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.lower(), []).append(value.strip())
    return found


def _files(info: Path, name: str, folder: _Folder) -> Sequence[str]:
    """Return the list that an installer left, or else the files of the modules that the metadata name."""
    if (record := _text(info / "RECORD")) is not None:
        return [row[0] for row in csv.reader(record.splitlines()) if row]
    installed = [os.path.normpath(f"{info.name}/{file}") for file in _listed(info / "installed-files.txt")]
    listed = installed or _listed(info / "SOURCES.txt")  # that of an installation in place
    there = [file for file in listed if (folder.path / file).is_file()]
    # in a namespace, the distribution's own name tells its part: lazr.uri
    modules = dict.fromkeys([*_listed(info / "top_level.txt"), name.replace(".", "/")])
    return there or folder.noted.get(info.name) or list(_walked(folder.path, modules))


def _walked(root: Path, modules: Iterable[str]) -> Iterator[str]:
    """Yield the files of top-level modules; a folder without a file of its own may hold others' modules too."""
    for module in modules:
        for suffix in (".py", *(found.name[len(module) :] for found in root.glob(f"{module}.*.so"))):
            if (root / f"{module}{suffix}").is_file():
                yield f"{module}{suffix}"
        if (root / module / "__init__.py").is_file():
            for folder, _, names in os.walk(root / module):
                inside = Path(folder).relative_to(root).as_posix()
                yield from (f"{inside}/{name}" for name in names if not inside.endswith("__pycache__"))


def _top_level(info: Path, name: str, folder: Path) -> tuple[str, ...]:
    """Return the modules that the metadata name; without any, one of the distribution's own name, if it is there."""
    guess = name.replace("-", "_")
    there = any((folder / f"{module}").exists() for module in (guess, f"{guess}.py"))
    return tuple(_listed(info / "top_level.txt")) or ((guess,) if there else ())


def _listed(file: Path) -> list[str]:
    return [line for line in (_text(file) or "").splitlines() if line]


def _text(file: Path) -> str | None:
    try:
        return file.read_text("utf-8", errors="replace")
    except OSError:
        return None
