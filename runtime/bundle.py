"""Load a bundle: the folder that the packer writes and the runtime serves."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbslim.runtime.buffers import FILE as BUFFERS
from nbslim.runtime.buffers import map_buffers
from nbslim.runtime.integrity import MANIFEST, IntegrityError, check_files
from nbslim.runtime.removed import RemovedModuleError
from nbslim.runtime.scoring import EntryPoints

FORMAT = 2
PICKLE, SAMPLES = "entry_points.pickle", "samples.jsonl"
BATCHES = "batches.json"
"""What was proved of the batched form after it was pickled, where anything was."""
FILES = "files"
"""Folder of the data files that the notebook's functions open, named from its own folder."""


class BundleError(Exception):
    """The bundle cannot be served; the message is one line that says which file and why."""


@dataclass(frozen=True)
class Bundle(EntryPoints):
    """A loaded bundle, with what its manifest says."""

    name: str = ""
    python: str = ""
    samples: tuple[Mapping[str, Any], ...] = ()
    """The lines of `samples.jsonl`, in its order."""
    notebook: str = ""
    """The SHA-256 of the notebook's file."""
    packed_by: str = ""
    """The version of nbslim."""
    level: str | None = None
    """How far the image was slimmed in which the bundle lies; None: it lies in none."""
    distributions: Mapping[str, str] = field(default_factory=dict)
    """The distributions that are kept, each with its version."""


def load_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`, its local modules first on `sys.path` from then on.

    Where it has data files, their folder is the working folder from then on: the functions open them by their names.

    Raises BundleError for a missing or broken file, one that is not as it was packed, another format or Python
    version, and a pickle that cannot be loaded; what the pickle raised is its cause.
    """
    folder = folder.absolute()
    manifest = _manifest(folder / MANIFEST)
    _check(folder, manifest)  # before anything of it is imported or unpickled: both run what is there
    samples = _samples(folder / SAMPLES)
    sys.dont_write_bytecode = True  # which would be files that nobody packed
    modules = str(folder / "modules")
    if modules not in sys.path and (folder / "modules").is_dir():
        sys.path.insert(0, modules)
    if (folder / FILES).is_dir():
        os.chdir(folder / FILES)
    functions = _entry_points(folder / PICKLE)
    if (folder / BATCHES).exists():
        functions["predictor_batch"] = replace(
            functions["predictor_batch"], **json.loads(_read(folder / BATCHES))
        )
    return Bundle(
        predictor=functions["predictor"],
        validator=functions.get("validator"),
        predictor_batch=functions.get("predictor_batch"),
        name=str(manifest.get("name", folder.name)),
        python=manifest["python"],
        samples=samples,
        notebook=str(manifest.get("notebook", "")),
        packed_by=str(manifest.get("nbslim", "")),
        level=manifest.get("level"),
        distributions=dict(manifest.get("distributions") or {}),
    )


def _manifest(path: Path) -> dict[str, Any]:
    if path.exists() and not path.is_file():  # from a pipe, no end would come
        raise BundleError(f"{path}: it is no file")
    try:
        manifest = json.loads(_read(path))
    except ValueError as error:
        raise BundleError(f"{path}: not JSON: {error}") from error
    number = manifest.get("format") if isinstance(manifest, dict) else None
    if number != FORMAT:
        raise BundleError(f"{path}: format {number} is not {FORMAT}, the one that this runtime reads")
    running = "{}.{}".format(*sys.version_info)
    if manifest.get("python") != running:
        raise BundleError(f"{path}: made by Python {manifest.get('python')}, this is Python {running}")
    return dict(manifest)


def _check(folder: Path, manifest: Mapping[str, Any]) -> None:
    try:
        check_files(folder, manifest.get("files"))
    except IntegrityError as error:
        raise BundleError(str(error)) from error
    except OSError as error:
        raise BundleError(f"{error.filename}: {error.strerror}") from error


def _samples(path: Path) -> tuple[Mapping[str, Any], ...]:
    samples = []
    # Not splitlines(): JSON text may hold U+2028 as it is.
    for number, line in enumerate(_read(path).split("\n"), start=1):
        if line:
            samples.append(_sample(line, f"{path}, line {number}"))
    return tuple(samples)


def _sample(line: str, where: str) -> Mapping[str, Any]:
    try:
        sample = json.loads(line)
    except ValueError as error:
        raise BundleError(f"{where}: not JSON: {error}") from error
    if not isinstance(sample, dict) or "input" not in sample:
        raise BundleError(f"{where}: not a sample with an input")
    return sample


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{path}: not UTF-8: {error}") from error


def _entry_points(path: Path) -> dict[str, Any]:
    try:
        aside = path.with_name(BUFFERS)
        buffers = map_buffers(aside) if aside.exists() else ()
        with path.open("rb") as file:
            functions = pickle.load(file, buffers=buffers)
    except RemovedModuleError as error:
        raise BundleError(f"{path}: cannot be loaded: {error}") from error
    except ModuleNotFoundError as error:
        raise BundleError(f"{path}: cannot be loaded: module {error.name} is missing") from error
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise BundleError(f"{path}: cannot be loaded: {reason}") from error
    if not isinstance(functions, dict) or not callable(functions.get("predictor")):
        raise BundleError(f"{path}: holds no predictor")
    return functions
