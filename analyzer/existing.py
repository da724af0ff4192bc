"""An environment that is there already: where its distributions lie and for which Python, found without running it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer.errors import RequirementsError

_MINOR = re.compile(r"python(3\.\d+)(?:\.exe)?")
_VERSION = re.compile(r"(?:^|-)(3\.\d+(?:\.\d+)?)(?=[-+.]|$)")
_INTERPRETER = re.compile(r"python[\d.]*t?(?:\.exe)?")
_HINT = "name a virtual environment, a conda environment, a site-packages folder or a Python interpreter"


@dataclass(frozen=True)
class Existing:
    """Where the distributions of an environment lie, in the order of its search path."""

    site_packages: tuple[Path, ...]
    python: str | None
    """As exactly as names and settings tell it, such as `3.11` or `3.11.7`."""


def find_environment(path: Path) -> Existing:
    """Return what lies at `path`: a prefix, a site-packages folder or an interpreter. Raises RequirementsError."""
    if not path.exists():
        raise RequirementsError(f"{path}: there is no such environment", hint=_HINT)
    found = _of_interpreter(path) if path.is_file() else _of_folder(path)
    if not found.site_packages:
        raise RequirementsError(f"{path}: is no Python environment", hint=_HINT)
    return found


def _of_interpreter(path: Path) -> Existing:
    if not _INTERPRETER.fullmatch(path.name):
        return Existing((), None)
    for executable in (path.absolute(), path.resolve()):
        # on Windows the interpreter of an installation lies in the prefix itself
        for prefix in (executable.parent.parent, executable.parent):
            if (prefix / "pyvenv.cfg").is_file():
                return _of_prefix(prefix, None)
    named = _MINOR.fullmatch(executable.name)
    candidates = (_of_prefix(prefix, named and named[1]) for prefix in executable.parents[:2])
    return next((found for found in candidates if found.site_packages), Existing((), None))


def _of_folder(folder: Path) -> Existing:
    absolute = folder.absolute()
    if absolute.name in {"site-packages", "dist-packages"} or _holds_distributions(absolute):
        named = _MINOR.fullmatch(absolute.parent.name)
        prefix = absolute.parents[2] if named else absolute.parents[1]
        return Existing((absolute,), _python_of(prefix, named and named[1]))
    return _of_prefix(absolute, None)


def _holds_distributions(folder: Path) -> bool:
    return any(entry.name.endswith((".dist-info", ".egg-info")) for entry in folder.iterdir())


def _of_prefix(prefix: Path, minor: str | None) -> Existing:
    """Return what is installed below `prefix`, for the Python `minor` where several may be."""
    settings = _settings(prefix)
    python = _python_of(prefix, minor or _linked(prefix))
    wanted = None if python is None else ".".join(python.split(".")[:2])
    folders = list(_existing(_folders(prefix, wanted)))
    if wanted is None and folders and (named := _MINOR.fullmatch(folders[0].parent.name)):
        python = wanted = named[1]
        folders = list(_existing(_folders(prefix, wanted)))
    if settings.get("include-system-site-packages", "").lower() == "true" and "home" in settings:
        home = Path(settings["home"])
        base = home if (home / "Lib").is_dir() else home.parent
        folders += _existing(_folders(base, wanted))
    return Existing(tuple(dict.fromkeys(folders)), python)


def _folders(prefix: Path, minor: str | None) -> Iterator[Path]:
    """Yield where distributions may lie below a prefix, Debian's own folders among them."""
    if str(prefix) == "/usr":
        yield from _versioned(Path("/usr/local"), minor, "dist-packages")
    yield prefix / "Lib/site-packages"
    yield from _versioned(prefix, minor, "site-packages")
    yield from _versioned(prefix, minor, "dist-packages")
    yield prefix / "lib/python3/dist-packages"


def _versioned(prefix: Path, minor: str | None, name: str) -> Iterator[Path]:
    if minor:
        yield from (prefix / lib / f"python{minor}" / name for lib in ("lib", "lib64"))
    else:
        yield from sorted(prefix.glob(f"lib/python3.*/{name}"), key=_newest_first)


def _newest_first(folder: Path) -> int:
    named = _MINOR.fullmatch(folder.parent.name)
    return -int(named[1].partition(".")[2]) if named else 0


def _existing(folders: Iterable[Path]) -> Iterator[Path]:
    seen = set()
    for folder in folders:
        if folder.is_dir() and (real := folder.resolve()) not in seen:  # lib64 may be a link to lib
            seen.add(real)
            yield folder


def _python_of(prefix: Path, minor: str | None) -> str | None:
    """Return the version that settings, conda's notes or the folder's name tell; else `minor`."""
    settings = _settings(prefix)
    told = [settings.get("version", ""), settings.get("version_info", ""), prefix.resolve().name]
    told += [
        entry.name.removeprefix("python-") for entry in sorted(prefix.glob("conda-meta/python-3.*.json"))
    ]
    versions = [match[1] for text in told if (match := _VERSION.search(text))]
    fitting = (version for version in versions if minor is None or f"{version}.".startswith(f"{minor}."))
    return max(fitting, key=len, default=minor)


def _linked(prefix: Path) -> str | None:
    """Return the minor version that the prefix's interpreter has in its name."""
    names = [prefix.joinpath("bin", name).resolve().name for name in ("python", "python3")]
    return next((match[1] for name in names if (match := _MINOR.fullmatch(name))), None)


def _settings(prefix: Path) -> dict[str, str]:
    file = prefix / "pyvenv.cfg"
    if not file.is_file():
        return {}
    lines = (line.partition("=") for line in file.read_text("utf-8", errors="replace").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in lines}
