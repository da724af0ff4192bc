"""Bytecode in place of sources, compiled by the draft tree's own Python once for each content and path."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbslim.packer.distributions import link_file, publish_file
from nbslim.packer.enclosure import Enclosure, with_fixed_addresses
from nbslim.packer.errors import BuildError

_SCRIPT = Path(__file__).with_name("inside_compile.py")
_VARIABLES = {"PYTHONHASHSEED": "0", "PYTHONNODEBUGRANGES": "1"}
"""Up to Python 3.10 bytecode holds constant sets in the order of their hashes; from 3.11 on it also holds
columns, which only the markers below a traceback's lines need, and which take memory as long as code is loaded."""


def place_bytecode(
    draft: Enclosure,
    sources: Sequence[str],
    tree: Path,
    *,
    version: str,
    cache: Path,
    keep: Collection[str] = (),
) -> None:
    """Put the bytecode of the draft tree's `sources` (paths relative to it) into `tree`, where the sources would be.

    `version` is the draft's Python ("3.11.7"), which compiles. A source that does not compile is put there itself,
    and so is one that is among `keep`: its bytecode then lies where Python looks for it beside a source. Bytecode is
    kept in `cache` under the hash of version, path and source.
    """
    keys = {path: _key(draft.tree, path, version) for path in sources}
    missing = [path for path in sources if not _take(cache, keys[path], tree / f"{path}c")]
    _compile(draft, missing)
    for path in missing:
        compiled = draft.tree / f"{path}c"
        if compiled.exists():
            _store(cache, keys[path], compiled)
            link_file(compiled, tree / f"{path}c")
    for path in sources:
        compiled = tree / f"{path}c"
        if path in keep and compiled.exists():
            _move_beside(compiled, version)
        if path in keep or not compiled.exists():
            link_file(draft.tree / path, tree / path)


def _move_beside(compiled: Path, version: str) -> None:
    major, minor, *_ = version.split(".")
    target = compiled.parent / "__pycache__" / f"{compiled.stem}.cpython-{major}{minor}.pyc"
    target.parent.mkdir(exist_ok=True)
    compiled.replace(target)


def _key(tree: Path, source: str, version: str) -> str:
    digest = hashlib.sha256(f"{version}\0{_VARIABLES}\0{source}\0".encode())
    digest.update((tree / source).read_bytes())
    return digest.hexdigest()


def _take(cache: Path, key: str, target: Path) -> bool:
    try:
        link_file(cache / key[:2] / key, target)
    except FileNotFoundError:
        return False
    os.utime(target)  # the file in the cache has its time, which tells how long it was of no use
    return True


def _store(cache: Path, key: str, compiled: Path) -> None:
    folder = cache / key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        link_file(compiled, Path(aside) / key)
        publish_file(Path(aside) / key, folder / key)


def _compile(draft: Enclosure, sources: Sequence[str]) -> None:
    workers = min(os.cpu_count() or 1, 1 + len(sources) // 100)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda part: _compile_part(draft, sources[part::workers]), range(workers)))


def _compile_part(draft: Enclosure, sources: Sequence[str]) -> None:
    if not sources:
        return
    # -I would ignore the variables.
    command, environment = draft.command(
        ["-s", "-S", "-B", "-c", _SCRIPT.read_text()], environment=_VARIABLES, writable=True
    )
    pairs = json.dumps([(draft.path(f"/{path}"), f"/{path}") for path in sources])
    result = subprocess.run(
        with_fixed_addresses(command),
        cwd=draft.tree,  # where no module lies that the script could take for its own
        input=pairs,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        message = (
            f"the image's Python cannot compile its modules: {result.stderr.strip().rpartition(chr(10))[2]}"
        )
        raise BuildError(message)
