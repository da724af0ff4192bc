"""Write the manifest of a bundle: what it is of, what is kept for it, and what each of its files must be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from nbslim.packer.facts import sha256_of
from nbslim.runtime.bundle import FORMAT
from nbslim.runtime.integrity import MANIFEST, files_of


@dataclass(frozen=True)
class About:
    """What a manifest says of its notebook, wherever the bundle lies."""

    name: str
    python: str
    """The version of its Python, as `3.11`."""
    notebook: str
    """The SHA-256 of its file."""


def write_manifest(
    bundle: Path, about: About, distributions: Mapping[str, str], level: str | None = None
) -> None:
    """Write the manifest of `bundle`, whose files must be final; `distributions` are what is kept, with versions.

    `level` is that of the image in which it lies; None: it lies in none.
    """
    manifest = {
        "format": FORMAT,
        "name": about.name,
        "python": about.python,
        "notebook": about.notebook,
        "nbslim": version("notebook-slim"),
        "level": level,
        "distributions": dict(sorted(distributions.items())),
        "files": {
            name: {"size": size, "sha256": sha256_of(bundle / name)}
            for name, size in sorted(files_of(bundle))
        },
    }
    aside = bundle.with_name(f"{bundle.name}.{MANIFEST}")  # trees link the old one: it is not written to
    aside.write_text(json.dumps(manifest, indent=2) + "\n")
    aside.replace(bundle / MANIFEST)
