"""Follows imports to the modules behind them, executing none; runs in the draft tree."""

from __future__ import annotations

import importlib.machinery
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from itertools import takewhile
from types import CodeType
from typing import Any

from nbslim.packer.inside_imports import imported


class Closure:
    """Modules with their files, and who imports whom.

    `files` maps each module to its file, None where it has none (built in, frozen, a namespace). `edges` maps a
    module to those that it imports, each with whether it does without it.
    """

    def __init__(self, loaded: Iterable[str]) -> None:
        self.files: dict[str, str | None] = {name: _file(name) for name in loaded}
        self.edges: dict[str, dict[str, bool]] = {}
        self._waiting: list[str] = []
        self._no_modules: set[str] = set()

    def add_importers(self, importers: Mapping[str, Iterable[str]]) -> None:
        """Note for each module who asked for it. Who is not seen to do without it needs it."""
        for name, importer in ((name, one) for name, all_of_them in importers.items() for one in all_of_them):
            if name in self.files:
                self.edges.setdefault(importer, {}).setdefault(name, False)

    def add_code(self, code: CodeType, importer: str, package: str) -> None:
        """Follow what `code` of the module `importer` imports, without the functions that it defines."""
        targets = self.edges.setdefault(importer, {})
        for name, optional in imported(code, package):
            for module in takewhile(self._known, _with_parents(name)):
                targets[module] = targets.get(module, True) and optional

    def add_top_level(self, name: str) -> None:
        """Follow what importing the module `name` would import."""
        spec = _spec(name)
        get_code = getattr(getattr(spec, "loader", None), "get_code", None)
        try:
            code = get_code(name) if get_code else None
        except Exception:  # a source for another Python, or somebody's own loader
            return
        if code is not None:
            is_package = spec.submodule_search_locations is not None
            self.add_code(code, name, name if is_package else name.rpartition(".")[0])

    def add_names(self, names: Iterable[str]) -> None:
        """Note modules that are wanted by name, with the packages that hold them."""
        for name in names:
            all(map(self._known, _with_parents(name)))

    def add_functions(self, code: CodeType, importer: str, package: str) -> None:
        """Follow what the functions that `code` defines import, and those that they define."""
        for inner in code.co_consts:
            if isinstance(inner, CodeType):
                self.add_code(inner, importer, package)
                self.add_functions(inner, importer, package)

    def complete(self) -> None:
        """Follow the top level of every module that was found, down to where nothing is new."""
        while self._waiting:
            self.add_top_level(self._waiting.pop())

    def _known(self, name: str) -> bool:
        """Whether `name` is a module; one that was not known will be followed."""
        if name not in self.files:
            spec = None if name in self._no_modules else _spec(name)
            if spec is None:
                self._no_modules.add(name)
                return False
            self.files[name] = _origin(spec)
            self._waiting.append(name)
        return True


def _with_parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _file(name: str) -> str | None:
    """Return the file of a loaded module."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return _origin(spec) if spec is not None else getattr(module, "__file__", None)


def _origin(spec: Any) -> str | None:
    return spec.origin if spec.has_location else None


def _spec(name: str) -> Any:
    """Return how `name` would be imported, or None; nothing is imported to find out."""
    if name in sys.modules:
        return getattr(sys.modules[name], "__spec__", None)
    parent = name.rpartition(".")[0]
    path = getattr(_spec(parent), "submodule_search_locations", None) if parent else None
    if parent and path is None:
        return None
    try:
        return _find(name, None if path is None else list(path))
    except Exception:  # somebody's own path hook
        return None


def _find(name: str, path: list[str] | None) -> Any:
    if path is not None:
        return _find_below(name, path)
    machinery = importlib.machinery
    specs = (finder.find_spec(name) for finder in (machinery.BuiltinImporter, machinery.FrozenImporter))
    return next(filter(None, specs), None) or machinery.PathFinder.find_spec(name)


def _find_below(name: str, path: Iterable[str]) -> Any:
    """Return how `name` would be imported from the folders of its package.

    Not by `PathFinder`: for a namespace package in another one it takes the outer one from `sys.modules`.
    """
    specs = [finder.find_spec(name) for finder in map(pkgutil.get_importer, path) if finder is not None]
    found = [spec for spec in specs if spec is not None]
    complete = next((spec for spec in found if spec.loader is not None), None)
    if complete is not None or not found:
        return complete
    namespace = importlib.machinery.ModuleSpec(name, None, is_package=True)
    namespace.submodule_search_locations = [
        place for spec in found for place in spec.submodule_search_locations or ()
    ]
    return namespace
