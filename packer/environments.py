"""Makes the environments in which notebooks run, and the runtime's own dependencies, in nbslim's cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import requires
from pathlib import Path

from nbslim.analyzer import names
from nbslim.packer.cache import complete, used
from nbslim.packer.index import wheels_but
from nbslim.packer.pythons import Python
from nbslim.packer.resolution import Resolution
from nbslim.packer.resolved import resolved, resolved_before
from nbslim.packer.uv import RequirementsError, Runner, ask, failed, run_uv
from packaging.requirements import Requirement

__all__ = [
    "KERNEL",
    "Environment",
    "RequirementsError",
    "cache_folder",
    "make_environment",
    "make_runtime",
    "runtime_requirements",
]

KERNEL = (names.KERNEL,)
"""What a notebook needs to run, besides its own requirements."""

_FORMAT = 1  # changes when folders made by an older nbslim must not be used any more


@dataclass(frozen=True)
class Environment:
    """A virtual environment with everything that the notebook requires, and the kernel."""

    python: Python
    folder: Path
    lock: tuple[str, ...]
    """Every distribution in it, as `name==version` or `name @ URL`."""
    warnings: tuple[str, ...] = ()
    cached: bool = field(default=False, compare=False)
    """Whether it was there already, and what it holds was remembered."""

    @property
    def executable(self) -> Path:
        """The interpreter that sees the environment's distributions."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def site_packages(self) -> Path:
        """Where the distributions lie."""
        inside = "Lib" if sys.platform == "win32" else f"lib/python{self.python.minor}"
        return self.folder / inside / "site-packages"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Return nbslim's cache folder: NBSLIM_CACHE, or `nbslim` where this system keeps its caches."""
    if named := environ.get("NBSLIM_CACHE"):
        return Path(named).absolute()
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or Path.home())
    if shared := environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "nbslim"
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "nbslim"


def make_environment(
    python: Python,
    specifiers: Sequence[str],
    *,
    cache: Path,
    extra: Sequence[str] = KERNEL,
    run: Runner = run_uv,
    anew: bool = False,
) -> Environment:
    """Return an environment of `python` with `specifiers` and `extra`, from the cache if it is there already.

    With `anew` they are resolved again, whatever is remembered. Raises RequirementsError.
    """

    def make(folder: Path, resolution: Resolution) -> None:
        # Relocatable: it gets its real name when it is complete.
        _uv(
            run,
            "venv",
            "--quiet",
            "--no-project",
            "--relocatable",
            "--python",
            str(python.executable),
            str(folder),
        )
        _install(run, resolution, "--compile-bytecode", "--python", str(folder))

    wanted = _Wanted(python, [*specifiers, *extra], cache, run)
    there = not anew and used(
        environment_before(python, specifiers, cache=cache, extra=extra) or cache / "none"
    )
    folder, resolution = wanted.installed(cache / "environments", make, anew=anew)
    return Environment(python, folder, resolution.lock, resolution.warnings, there)


def environment_before(
    python: Python, specifiers: Sequence[str], *, cache: Path, extra: Sequence[str] = KERNEL
) -> Path | None:
    """Return where the environment lies if what it holds is remembered; it may have been cleared away."""
    resolution = resolved_before(python, [*specifiers, *extra], cache=cache)
    return cache / "environments" / lock_key(python, resolution) if resolution else None


def make_runtime(
    python: Python, requirements: Sequence[str], *, cache: Path, run: Runner = run_uv, anew: bool = False
) -> Path:
    """Return a folder with the runtime's dependencies for `python`, without bytecode and scripts.

    With `anew` they are resolved again, whatever is remembered. Raises RequirementsError.
    """

    def make(folder: Path, resolution: Resolution) -> None:
        _install(run, resolution, "--python", str(python.executable), "--target", str(folder))
        shutil.rmtree(folder / "bin", ignore_errors=True)
        (folder / ".lock").unlink(missing_ok=True)

    wanted = _Wanted(python, requirements, cache, run)
    return wanted.installed(cache / "runtime", make, anew=anew)[0]


def runtime_before(python: Python, requirements: Sequence[str], *, cache: Path) -> Path | None:
    """Return where the runtime's dependencies lie if what they are is remembered; they may have been cleared away."""
    resolution = resolved_before(python, requirements, cache=cache)
    return cache / "runtime" / lock_key(python, resolution) if resolution else None


def runtime_requirements(
    read: Callable[[str], list[str] | None] = requires, distribution: str = "notebook-slim"
) -> tuple[str, ...]:
    """Return what the runtime requires in the image: the extra `runtime` of nbslim's own distribution."""
    found = [Requirement(text) for text in read(distribution) or ()]
    return tuple(f"{r.name}{r.specifier}" for r in found if _only_for_runtime(r))


def _only_for_runtime(requirement: Requirement) -> bool:
    marker = requirement.marker
    return bool(marker and marker.evaluate({"extra": "runtime"}) and not marker.evaluate({"extra": ""}))


@dataclass(frozen=True)
class _Wanted:
    """Requirements that are to be resolved, and installed into a folder of the cache."""

    python: Python
    specifiers: Sequence[str]
    cache: Path
    run: Runner

    def installed(
        self, folder: Path, make: Callable[[Path, Resolution], None], *, anew: bool
    ) -> tuple[Path, Resolution]:
        """Return the folder that `make` fills, and the resolution; one that does not install any more is forgotten."""
        resolution = self._resolved(anew=anew)
        try:
            return self._complete(folder, make, resolution), resolution
        except RequirementsError:
            if anew or (again := self._resolved(anew=True)) == resolution:
                raise
            return self._complete(folder, make, again), again

    def _resolved(self, *, anew: bool) -> Resolution:
        return resolved(self.python, self.specifiers, cache=self.cache, run=self.run, anew=anew)

    def _complete(
        self, folder: Path, make: Callable[[Path, Resolution], None], resolution: Resolution
    ) -> Path:
        return complete(folder / lock_key(self.python, resolution), lambda aside: make(aside, resolution))


def _install(run: Runner, resolution: Resolution, *options: str) -> None:
    lock = "\n".join(resolution.lock)
    _uv(
        run,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        *wheels_but(resolution.built),
        *options,
        "-r",
        "-",
        text=lock,
    )


def _uv(run: Runner, *arguments: str, text: str = "") -> None:
    answer = ask(run, *arguments, text=text)
    if not answer.good:
        raise failed(arguments, answer)


def lock_key(python: Python, resolution: Resolution) -> str:
    """Return a name that is another one whenever the folder's content would be."""
    parts = [_FORMAT, sysconfig.get_platform(), python.version, str(python.executable), *resolution.lock]
    return hashlib.sha256(json.dumps([*parts, *resolution.built]).encode()).hexdigest()[:24]
