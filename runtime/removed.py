"""Explain, log and count the imports of modules that slimming removed."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

LIST = Path(__file__).parents[2] / "removed.json"
"""Beside the package `nbslim`; an image from which no module was removed has none."""

_MACHINERY = {
    "importlib",
    "importlib.util",
    "importlib._bootstrap",
    "importlib._bootstrap_external",
    "_frozen_importlib",
    "_frozen_importlib_external",
}
_LOADING = "_load_unlocked"
_log = logging.getLogger("nbslim.runtime")


class RemovedModuleError(ModuleNotFoundError):
    """A module that was there before slimming was imported; `module` is what was removed, it or a package above it."""

    module = ""


@dataclass(frozen=True)
class Removed:
    """What slimming removed."""

    level: str
    modules: Mapping[str, frozenset[str]]
    """The names removed from each package; "" is no package. What is below a removed name is removed with it."""
    harmless: Mapping[str, frozenset[str]]
    """The importers of a removed module of which replay proved that they do without it."""

    @classmethod
    def read(cls, path: Path) -> Removed:
        """Read them from the file that the packer writes."""
        found = json.loads(path.read_text(encoding="utf-8"))
        modules = {package: frozenset(names) for package, names in found["modules"].items()}
        harmless = {module: frozenset(importers) for module, importers in found["harmless"].items()}
        return cls(found["level"], modules, harmless)

    def cover(self, module: str) -> str | None:
        """Return the removed name that `module` is or lies below."""
        package = ""
        for name in module.split("."):
            path = f"{package}.{name}" if package else name
            if name in self.modules.get(package, ()):
                return path
            package = path
        return None

    def explanation(self, module: str) -> str:
        """Return what happened to `module`, and how to keep it."""
        return (
            f"nbslim removed the module {module} (level {self.level}): no replayed sample needed it; "
            f"keep it with: nbslim pack --keep {module}"
        )


@dataclass(frozen=True)
class _Request:
    """Who asks for a module, and how; all else, such as `importlib.util.find_spec`, only looks whether it is there."""

    importer: str
    line: int | None
    """None: an extension module asks, whose code has no lines."""
    imports: bool
    from_package: bool
    """Whether this is `from package import module`."""

    @classmethod
    def behind(cls, frame: FrameType) -> _Request:
        """Find it in the frames around the import system's call of a finder, the innermost of which is `frame`."""
        functions: list[str] = []
        while _module(frame) in _MACHINERY and frame.f_code.co_name != _LOADING and frame.f_back is not None:
            functions.append(frame.f_code.co_name)
            frame = frame.f_back
        # Between loading a module and what that imports is a frame of the module, if it is not written in C.
        extension = _module(frame) in _MACHINERY and frame.f_code.co_name == _LOADING
        return cls(
            importer=frame.f_locals["spec"].name if extension else _module(frame),
            line=None if extension else frame.f_lineno,
            imports=functions[:2] == ["_find_spec", "_find_and_load_unlocked"],
            from_package="_handle_fromlist" in functions,
        )

    @property
    def place(self) -> str:
        """Who asks, for the log."""
        return self.importer if self.line is None else f"{self.importer}, line {self.line},"


class RemovedFinder:
    """A finder that finds nothing: the import system asks it for what no other finder has found."""

    def __init__(self, path: Path, on_miss: Callable[[str], object]) -> None:
        self._path = path
        self._on_miss = on_miss
        self._removed: Removed | None = None
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each removed module was asked for, by importers that may need it."""
        with self._lock:
            return dict(self._counts)

    def find_spec(
        self,
        name: str,
        path: Sequence[str] | None = None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - the import system's signature
    ) -> None:
        """Raise RemovedModuleError where a removed module is imported."""
        if self._removed is None:
            self._removed = Removed.read(self._path)
        module = self._removed.cover(name)
        if module is None:
            return
        request = _Request.behind(sys._getframe(1))  # noqa: SLF001 - the only way to learn who imports
        explanation = self._removed.explanation(module)
        if request.importer not in self._removed.harmless.get(module, ()):
            self._note(module, request, explanation)
        if request.imports:
            # `from package import module` hides an error that has the module's own name behind one that says
            # nothing; a name that cannot be imported from a package has the package's.
            error = RemovedModuleError(
                explanation, name=name.rpartition(".")[0] if request.from_package else name
            )
            error.module = module
            raise error

    def _note(self, module: str, request: _Request, explanation: str) -> None:
        with self._lock:
            count = self._counts[module] = self._counts.get(module, 0) + 1
        self._on_miss(module)
        if count == 1:
            _log.warning("%s; %s asked for it", explanation, request.place)


def install(on_miss: Callable[[str], object] = len) -> None:
    """Explain removed modules from now on, where nbslim has a list of them; `on_miss` gets each that is missed."""
    if _installed() is None and LIST.is_file():
        sys.meta_path.append(RemovedFinder(LIST, on_miss))


def counts() -> Mapping[str, int]:
    """Return how often each removed module was asked for."""
    finder = _installed()
    return {} if finder is None else finder.counts


def _installed() -> RemovedFinder | None:
    return next((finder for finder in sys.meta_path if isinstance(finder, RemovedFinder)), None)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))
