"""Remembers what requirements resolve to: uv is asked again only where it could say something else."""

from __future__ import annotations

import hashlib
import os
import re
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from nbslim.packer.pythons import Python
from nbslim.packer.remembered import key_of, recall, remember
from nbslim.packer.resolution import Resolution, resolve
from nbslim.packer.uv import Runner

_FORMAT = 1  # changes when what an older nbslim remembered must not be used any more
_SETTINGS = ("UV_", "PIP_")
_LOCAL = re.compile(r"@\s*(?:file:|[./~])")  # an address whose content may change under one name


def resolved(
    python: Python, specifiers: Sequence[str], *, cache: Path, run: Runner, anew: bool = False
) -> Resolution:
    """Return what `specifiers` resolve to for `python`, from `cache` unless asked `anew`. Raises RequirementsError.

    What only uv's own cache decided, because no index could be reached, is not remembered.
    """
    known = None if anew else resolved_before(python, specifiers, cache=cache)
    if known:
        return known
    resolution = resolve(python, specifiers, run=run)
    if not (resolution.offline or _changeable(specifiers)):
        remember(_folder(cache), _key(python, specifiers), vars(resolution))
    return resolution


def resolved_before(python: Python, specifiers: Sequence[str], *, cache: Path) -> Resolution | None:
    """Return what `cache` remembers of `specifiers`; None if that is nothing."""
    if _changeable(specifiers):
        return None
    known = recall(_folder(cache), _key(python, specifiers))
    if known is None:
        return None
    return Resolution(tuple(known["lock"]), tuple(known["built"]), tuple(known["warnings"]))


def _folder(cache: Path) -> Path:
    return cache / "resolutions"


def _key(python: Python, specifiers: Sequence[str]) -> str:
    machine = [sysconfig.get_platform(), python.version, python.executable, version("uv")]
    return key_of(_FORMAT, machine, list(specifiers), list(uv_settings(os.environ, Path.cwd())))


def uv_settings(environ: Mapping[str, str], folder: Path) -> Iterator[tuple[str, object]]:
    """Yield all that changes what uv answers in `folder`: variables, the files they name, and its configuration."""
    for name, value in sorted(environ.items()):
        if name.startswith(_SETTINGS):
            yield name, hashlib.sha256(value.encode()).hexdigest()  # an index may be named with its password
            yield from ((word, _content(Path(word))) for word in re.split(r"[\s,]+", value) if "/" in word)
    home = Path(environ.get("HOME") or Path.home())
    settings = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config")]
    settings += [Path(path) for path in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files = [path / "uv/uv.toml" for path in (*settings, Path("/etc"))]
    files += [place / name for place in (folder, *folder.parents) for name in ("uv.toml", "pyproject.toml")]
    yield from ((str(path), _content(path)) for path in files if path.is_file() and _speaks_to_uv(path))


def _speaks_to_uv(path: Path) -> bool:
    return path.name == "uv.toml" or b"tool.uv" in path.read_bytes()


def _content(path: Path) -> object:
    """Return the hash of a file, or what a folder lists (such as wheels for UV_FIND_LINKS)."""
    try:
        if path.is_dir():
            return sorted((entry.name, entry.stat().st_mtime_ns) for entry in path.iterdir())
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _changeable(specifiers: Sequence[str]) -> bool:
    return any(_LOCAL.search(specifier) for specifier in specifiers)
