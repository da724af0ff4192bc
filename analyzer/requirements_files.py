"""Requirements in files: requirements.txt with the files that it names, pyproject.toml."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbslim.analyzer.errors import NotebookError, shown
from nbslim.analyzer.installs import logical_lines
from nbslim.analyzer.types import Requirements
from packaging.requirements import InvalidRequirement, Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass
class Collected:
    """What a requirements file and the files that it names hold."""

    specifiers: list[str] = field(default_factory=list)
    """Requirements in the order in which they stand there."""
    warnings: list[str] = field(default_factory=list)
    """What was passed over."""
    seen: set[Path] = field(default_factory=set)
    """Files that were read."""

    def as_requirements(self, source: str) -> Requirements:
        """Return it all; `source` says where it was declared."""
        return Requirements(tuple(self.specifiers), source, tuple(dict.fromkeys(self.warnings)))


def from_files(folder: Path) -> Requirements | None:
    """Return what requirements.txt or pyproject.toml in a folder declare; None without them."""
    listed = folder / "requirements.txt"
    if listed.is_file():
        collected = Collected()
        read_file(listed, listed.name, collected)
        return collected.as_requirements(listed.name)
    project = folder / "pyproject.toml"
    return _from_project(project) if project.is_file() else None


def read_file(path: Path, where: str, into: Collected) -> None:
    """Add what a requirements file holds, once; `where` says what names the file."""
    if path.resolve() in into.seen:
        return
    into.seen.add(path.resolve())
    for number, line in logical_lines(_text(path, where)):
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        if text:
            _read_line(text, f"{path.name}, line {number}", path, into)


def _text(path: Path, where: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotebookError(f"{where}: cannot read {path.name}: {error.strerror or error}") from error
    except ValueError as error:
        raise NotebookError(f"{path.name}: is not UTF-8 text") from error


def _read_line(text: str, where: str, path: Path, into: Collected) -> None:
    if other := _named_file(text):
        read_file(path.parent / other, where, into)
        return
    requirement, *options = re.split(r"(?:^|\s+)(?=-)", text)
    for option in options:
        name = re.split(r"[\s=]", option)[0]
        name = name if name.startswith("--") else name[:2]  # a value may follow without a space
        into.warnings.append(f"{path.name}: option {name} is passed over")
    if requirement:
        try:
            into.specifiers.append(str(Requirement(requirement)))
        except InvalidRequirement:
            raise NotebookError(f"{where}: `{shown(requirement)}` is not a requirement") from None


def _named_file(text: str) -> str | None:
    named = re.fullmatch(r"(?:-r\s*|--requirements?(?:\s+|\s*=\s*))(['\"]?)(.+)\1", text)
    return named[2] if named else None


def _from_project(path: Path) -> Requirements | None:
    try:
        project = tomllib.loads(_text(path, path.name)).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise NotebookError(f"{path.name}: is not TOML: {error}") from error
    dependencies = project.get("dependencies") if isinstance(project, dict) else None
    if dependencies is None:
        return None
    if not isinstance(dependencies, list):
        raise NotebookError(f"{path.name}: [project] dependencies is not a list")
    return Requirements(tuple(_dependency(item, path) for item in dependencies), path.name)


def _dependency(item: Any, path: Path) -> str:
    try:
        return str(Requirement(item))
    except (InvalidRequirement, TypeError, AttributeError):
        problem = f"`{shown(str(item))}` in [project] dependencies is not a requirement"
        raise NotebookError(f"{path.name}: {problem}") from None
