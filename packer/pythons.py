"""Finds the Python interpreters that are installed on this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbslim.analyzer.errors import RequirementsError

SUPPORTED = ("3.9", "3.10", "3.11", "3.12", "3.13")
"""Versions that a notebook may run on."""

SYSTEM = (Path("/usr/local/bin"), Path("/usr/bin"))

# Free-threaded builds (python3.13t), PyPy (pypy3) and version managers' launchers have other names.
_INTERPRETER = re.compile(r"python(?:3(?:\.\d+)?)?(?:\.exe)?")
_FOLDER_VERSION = re.compile(r"(?:^|cpython-)(3\.\d+)(?:\.|-|$)")
_CONDA = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda")
_QUESTION = """
import json, sys
version = "%d.%d.%d" % sys.version_info[:3]
print(json.dumps([sys.implementation.name, version, sys.executable, sys.base_prefix]))
"""


@dataclass(frozen=True)
class Python:
    """An installed CPython; `executable` is absolute, real, and belongs to no virtual environment."""

    version: str
    """Such as `3.11.7`."""
    executable: Path
    prefix: Path
    """The folder of the whole installation."""

    @property
    def minor(self) -> str:
        """Major and minor version, such as `3.11`."""
        return _minor(self.version)


@dataclass(frozen=True)
class _Candidate:
    """A file that may be an interpreter, with the minor version that its name or folder promises, if any."""

    path: Path
    guess: str | None


def find_python(
    version: str, *, environ: Mapping[str, str] = os.environ, system: Sequence[Path] = SYSTEM
) -> Python:
    """Return the newest installed interpreter of `version`, such as `3.11`, or exactly `3.11.7`, or at that path.

    Raises RequirementsError for a version that nbslim does not support or that is not installed.
    """
    if is_path(version):
        return _at(Path(version))
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", version) or _minor(version) not in SUPPORTED:
        raise _unsupported(f"Python {version}")
    wanted = (c for c in _candidates(environ, system) if c.guess in {None, _minor(version)})
    matching = [python for python in _asked(wanted) if version in {python.version, python.minor}]
    if matching:
        return max(matching, key=_order)  # the first found, among equals
    usable = [p for p in installed_pythons(environ=environ, system=system) if p.minor in SUPPORTED]
    found = ", ".join(dict.fromkeys(python.version for python in usable)) or "none that nbslim supports"
    message = f"Python {version} is not installed (found: {found})"
    raise RequirementsError(message, hint="install it, or choose another one with --python")


def is_path(python: str) -> bool:
    """Tell whether `python` names an interpreter by its path, and not by its version."""
    return os.sep in python


def _at(path: Path) -> Python:
    python = _ask(_resolved(path) or path)
    if python is None:
        message = f"{path} is not a CPython that runs here"
        raise RequirementsError(
            message, hint="give --python an interpreter, such as /usr/bin/python3, or a version"
        )
    if python.minor not in SUPPORTED:
        raise _unsupported(f"{path} is Python {python.version}, which")
    return python


def _unsupported(what: str) -> RequirementsError:
    message = f"{what} is not supported, {SUPPORTED[0]} to {SUPPORTED[-1]} are"
    return RequirementsError(message, hint="choose another one with --python")


def installed_pythons(
    *, environ: Mapping[str, str] = os.environ, system: Sequence[Path] = SYSTEM
) -> tuple[Python, ...]:
    """Return every CPython 3 on PATH and in the folders of pyenv, conda and uv, oldest first."""
    return tuple(sorted(_asked(_candidates(environ, system)), key=_order))


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _order(python: Python) -> tuple[int, ...]:
    return tuple(int(part) for part in python.version.split("."))


def _asked(candidates: Iterable[_Candidate]) -> Iterator[Python]:
    """Ask each interpreter once who it is; what does not answer as CPython 3 is none."""
    seen: set[Path] = set()
    for candidate in candidates:
        if candidate.path not in seen and (python := _ask(candidate.path)) and python.executable not in seen:
            yield python
            seen.add(python.executable)
        seen.add(candidate.path)


def _ask(path: Path) -> Python | None:
    # Isolated and without site: neither the user's variables nor a .pth file have a say.
    try:
        result = subprocess.run(
            [path, "-I", "-S", "-c", _QUESTION], capture_output=True, text=True, timeout=20, check=True
        )
        implementation, version, executable, prefix = json.loads(result.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    if implementation != "cpython" or not executable:
        return None
    return Python(version, Path(executable).resolve(), Path(prefix).resolve())


def _candidates(environ: Mapping[str, str], system: Sequence[Path]) -> Iterator[_Candidate]:
    """Yield what may be an interpreter, our own first, resolved and without scripts such as pyenv's shims."""
    if own := _resolved(Path(sys.executable)):
        yield _Candidate(own, f"3.{sys.version_info.minor}")
    path = [Path(entry) for entry in environ.get("PATH", "").split(os.pathsep)]
    for folder in (*(entry for entry in path if entry.is_absolute()), *system):
        yield from _in_folder(folder, None)
    for installation in _installations(environ):
        guess = _FOLDER_VERSION.search(installation.name)
        yield from _in_folder(_binaries(installation), guess[1] if guess else None)


def _in_folder(folder: Path, guess: str | None) -> Iterator[_Candidate]:
    for entry in _entries(folder, _INTERPRETER):
        if real := _resolved(entry):
            named = re.search(r"3\.\d+", real.name)
            yield _Candidate(real, named[0] if named else guess)


def _resolved(entry: Path) -> Path | None:
    """Return the real interpreter behind `entry`: symbolic links followed, virtual environments left."""
    try:
        real = entry.resolve(strict=True)
        home = _home_of_environment(real)
        if home:
            return _resolved(home / real.name)
        usable = _INTERPRETER.fullmatch(real.name) and os.access(real, os.X_OK) and not _is_script(real)
    except (OSError, RuntimeError):  # a link to nowhere, to itself, or not ours to read
        return None
    return real if usable else None


def _home_of_environment(executable: Path) -> Path | None:
    """Return where the interpreter lies from which `executable`'s virtual environment was made, if any."""
    for folder in (executable.parent.parent, executable.parent):
        settings = folder / "pyvenv.cfg"
        if settings.is_file():
            home = re.search(r"^home\s*=\s*(.+?)\s*$", settings.read_text(errors="replace"), re.MULTILINE)
            return Path(home[1]) if home else None
    return None


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _installations(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield the folders into which pyenv, uv and conda install one interpreter each."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "/nonexistent")
    yield from _entries(Path(environ.get("PYENV_ROOT") or home / ".pyenv") / "versions")
    data = Path(environ.get("XDG_DATA_HOME") or home / ".local/share")
    yield from _entries(Path(environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python"))
    yield from _conda(environ, home)


def _conda(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    roots = [home / name for name in _CONDA] + [Path("/opt/conda")]
    roots += [Path(environ[name]) for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX") if environ.get(name)]
    if environ.get("CONDA_EXE"):
        roots.append(Path(environ["CONDA_EXE"]).parent.parent)
    for root in roots:
        yield root
        yield from _entries(root / "envs")
    known = home / ".conda/environments.txt"  # conda lists there every environment that it made, wherever
    if known.is_file():
        yield from (Path(line) for line in known.read_text(errors="replace").splitlines() if line)


def _binaries(installation: Path) -> Path:
    return installation if sys.platform == "win32" else installation / "bin"


def _entries(folder: Path, names: re.Pattern[str] = re.compile(".*")) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if names.fullmatch(entry.name))
    except OSError:
        return []
