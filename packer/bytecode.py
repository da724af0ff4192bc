"""Replace the sources in an assembled tree by bytecode, compiled once for each content and path."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbslim.packer.enclosure import Enclosure, with_fixed_addresses
from nbslim.packer.errors import BuildError

_SCRIPT = Path(__file__).with_name("inside_compile.py")


def compile_tree(
    enclosure: Enclosure, folders: Iterable[str], *, version: str, cache: Path, keep_sources: bool = False
) -> None:
    """Compile every `.py` below the tree's `folders` to a `.pyc` beside it, and delete the source.

    `version` is the tree's Python ("3.11.7"). A source that does not compile stays as it is. Compiled files are
    kept in `cache` under the hash of version, path and source.
    """
    sources = [path for folder in folders for path in sorted((enclosure.tree / folder).rglob("*.py"))]
    keys = {path: _key(enclosure.tree, path, version) for path in sources}
    missing = [path for path in sources if not _take(cache, keys[path], _compiled(path))]
    _compile(enclosure, missing)
    for path in missing:
        _store(cache, keys[path], _compiled(path))
    if not keep_sources:
        for path in sources:
            if _compiled(path).exists():
                path.unlink()


def _compiled(source: Path) -> Path:
    return source.with_suffix(".pyc")


def _key(tree: Path, source: Path, version: str) -> str:
    digest = hashlib.sha256(f"{version}\0{source.relative_to(tree)}\0".encode())
    digest.update(source.read_bytes())
    return digest.hexdigest()


def _take(cache: Path, key: str, target: Path) -> bool:
    try:
        _link(cache / key[:2] / key, target)
    except FileNotFoundError:
        return False
    return True


def _store(cache: Path, key: str, compiled: Path) -> None:
    if not compiled.exists():
        return
    folder = cache / key[:2]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as aside:
        _link(compiled, Path(aside) / key)
        (Path(aside) / key).rename(folder / key)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _compile(enclosure: Enclosure, sources: Sequence[Path]) -> None:
    workers = min(os.cpu_count() or 1, 1 + len(sources) // 100)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda part: _compile_part(enclosure, sources[part::workers]), range(workers)))


def _compile_part(enclosure: Enclosure, sources: Sequence[Path]) -> None:
    if not sources:
        return
    inside = [f"/{source.relative_to(enclosure.tree)}" for source in sources]
    # Up to Python 3.10 bytecode holds constant sets in the order of their hashes; -I would ignore the seed.
    command, environment = enclosure.command(
        ["-s", "-S", "-B", "-c", _SCRIPT.read_text()], environment={"PYTHONHASHSEED": "0"}, writable=True
    )
    pairs = json.dumps([(enclosure.path(path), path) for path in inside])
    result = subprocess.run(
        with_fixed_addresses(command),
        cwd=enclosure.tree,  # where no module lies that the script could take for its own
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
