"""The keys under which nbslim remembers what it did: hashes of all that decides what comes out."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sysconfig
import zlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import nbslim.analyzer
import nbslim.packer
import nbslim.runtime
from nbslim.analyzer import Notebook
from nbslim.packer.folder import copied_files
from nbslim.packer.hashes import content_hashes
from nbslim.packer.options import PASSED_ON, Options, Settings
from nbslim.packer.pythons import Python
from nbslim.packer.remembered import key_of
from nbslim.packer.rootfs import BUNDLES
from nbslim.packer.target import Engine, outputs, reference_of
from packaging.requirements import Requirement

_ELSEWHERE = {"notebook", "settings", "engine", "output", "bundle", "anew", "tag"}
"""Options that are in a key already in another form, or that change nothing of the image."""


def notebook_key(
    options: Options,
    engine: Engine,
    notebook: Notebook,
    python: Python,
    installed: Sequence[Path],
    *,
    cache: Path,
) -> str:
    """Return the key of the executed notebook; `installed` are the folders of its environment and of the runtime.

    What cells read outside of the notebook's folder, or over the network, is not in it.
    """
    seen = copied_files(notebook.folder, but=outputs(options, engine))
    files = content_hashes(notebook.folder, seen, memory=cache / "hashes")
    interpreter = (python.version, python.executable, _state(python.executable))
    how = (engine, options.base, options.isolation, _hidden(options.settings))
    return key_of(
        _tools(cache), notebook.path.name, files, interpreter, [str(path) for path in installed], how
    )


def pack_key(executed: str, options: Options) -> str:
    """Return the key of a whole pack, given that of its executed notebook."""
    chosen = {name: _value(value) for name, value in vars(options).items() if name not in _ELSEWHERE}
    system = [_state(Path(path)) for path in ("/etc/ld.so.cache", *BUNDLES)]
    return key_of(executed, chosen, reference_of(options), system, zlib.ZLIB_RUNTIME_VERSION)


def _tools(cache: Path) -> object:
    """Return what changes with nbslim itself, and with what it is made of."""
    required = [Requirement(text).name for text in requires("notebook-slim") or ()]
    versions = {name: _version(name) for name in required}
    sources = [
        content_hashes(Path(folder), sorted(Path(folder).rglob("*.py")), memory=cache / "hashes")
        for package in (nbslim.analyzer, nbslim.packer, nbslim.runtime)
        for folder in package.__path__
    ]
    return versions, sources, sysconfig.get_platform(), platform.python_version()


def _version(distribution: str) -> str | None:
    """Return the version; None for what is not installed, as extras and other Pythons' requirements may be."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _hidden(settings: Settings) -> str:
    """Return a hash of the settings: variables may be secret."""
    passed = {name: os.environ.get(name) for name in PASSED_ON}
    return hashlib.sha256(json.dumps([passed, vars(settings)], sort_keys=True).encode()).hexdigest()


def _value(value: object) -> object:
    return (
        hashlib.sha256(value.read_bytes()).hexdigest()
        if isinstance(value, Path) and value.is_file()
        else value
    )


def _state(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:  # it lies in another system, whose identity is in the folder of its environments
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ino]
