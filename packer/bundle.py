"""The bundle: the folder that the runtime serves, and what the packer adds to what the kernel wrote there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbslim.packer.errors import BuildError
from nbslim.runtime.bundle import FORMAT


def write_manifest(bundle: Path, *, name: str, python: str, serving: Mapping[str, str]) -> None:
    """Write `manifest.json`; `serving` maps each kept distribution to its version."""
    manifest = {
        "format": FORMAT,
        "name": name,
        "python": python,
        "requirements": [f"{distribution}=={version}" for distribution, version in sorted(serving.items())],
    }
    (bundle / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def leave_bundle(bundle: Path, target: Path) -> None:
    """Copy the bundle to `target`, which must not exist or be empty. Raises BuildError otherwise."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        message = f"{target} is not an empty folder"
        raise BuildError(message, hint="give --bundle a new folder")
    shutil.copytree(bundle, target, dirs_exist_ok=True)


@dataclass(frozen=True)
class LocalModules:
    """Brings modules from beside the notebook into the bundle."""

    work: Path
    target: Path
    loaded: tuple[str, ...]
    """The modules below `work` that the notebook loaded, as relative paths."""

    def add(self, module: str) -> bool:
        """Copy `module`, with the packages that hold it; returns whether it is one of the notebook's own, and new."""
        parts = module.split(".")
        names = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        wanted = [
            file for name in names for file in (f"{name}.py", f"{name}/__init__.py") if file in self.loaded
        ]
        return self.add_files(wanted)

    def add_files(self, files: Iterable[str]) -> bool:
        """Copy `files` (relative to the notebook's folder) where they are not yet; returns whether any was new."""
        new = [file for file in files if not (self.target / file).exists()]
        for file in new:
            (self.target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.work / file, self.target / file)
        return bool(new)
