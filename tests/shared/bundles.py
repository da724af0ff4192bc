"""Bundles as the packer writes them, of what a test pickles."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

from nbslim.packer.inside_kernel import _write
from nbslim.packer.manifest import About, write_manifest

RUNNING = "{}.{}".format(*sys.version_info)
NOTEBOOK = "ab" * 32
ENTRIES = ("predictor", "validator", "predictor_batch")


def functions(source: str) -> dict[str, object]:
    """Run `source` as a kernel does: what it defines belongs to `__main__`, so it is pickled by value."""
    names: dict[str, object] = {"__name__": "__main__"}
    exec(textwrap.dedent(source), names)
    return {name: names[name] for name in ENTRIES if name in names}


def write_bundle(
    folder: Path,
    pickled: Mapping[str, object] | bytes,
    samples: tuple[Mapping[str, object], ...] = (),
    *,
    files: Mapping[str, str] | None = None,
    **manifest: object,
) -> Path:
    """Write a bundle whose manifest fits it; `pickled` are the entry points, or bytes that stand for their pickle."""
    folder.mkdir()
    if isinstance(pickled, bytes):
        (folder / "entry_points.pickle").write_bytes(pickled)
    else:
        assert _write(pickled, str(folder)) == {}
    lines = [json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples]
    for name, text in {"samples.jsonl": "".join(lines), **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    write_manifest(folder, About("toy", RUNNING, NOTEBOOK), {})
    change_manifest(folder, **manifest)
    return folder


def change_manifest(folder: Path, **changed: object) -> None:
    """Let the manifest say something else; what is None is taken out."""
    path = folder / "manifest.json"
    contents = {**json.loads(path.read_text()), **changed}
    path.write_text(json.dumps({name: value for name, value in contents.items() if value is not None}))
