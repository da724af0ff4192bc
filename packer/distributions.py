"""Place whole distributions into the assembled tree, and record there what was placed."""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

from nbslim.packer.errors import BuildError
from nbslim.packer.facts import sha256_of
from packaging.utils import canonicalize_name

# Written by installers about the machine that installed, not about the distribution.
_INSTALLER_NOTES = {"RECORD", "INSTALLER", "REQUESTED", "uv_cache.json", "uv_build.json"}


def place_distributions(
    site_packages: Path, names: Collection[str], target: Path, *, bytecode: str
) -> dict[str, list[str]]:
    """Link the files of the installed distributions `names` (PEP 503) from `site_packages` into `target`.

    Returns the placed files of each, relative to `target`, under the name of its `*.dist-info` folder. Scripts stay
    behind: they name the environment's interpreter. Of compiled files, those of the interpreter whose cache tag is
    `bytecode` are linked, too, and not listed: they name the environment's folder, and are there for speed alone.
    Raises BuildError for a distribution that is not installed or does not list its files.
    """
    installed = {canonicalize_name(d.metadata["Name"]): d for d in distributions(path=[str(site_packages)])}
    target.mkdir(parents=True, exist_ok=True)
    placed = {}
    for name in sorted(names):
        if canonicalize_name(name) not in installed:
            message = f"{name} is not installed in {site_packages}"
            raise BuildError(message)
        files = [
            str(path)
            for path in _files(installed[canonicalize_name(name)])
            if (site_packages / path).is_file()
        ]
        for path in files:
            link_file(site_packages / path, target / path)
            compiled = compiled_beside(path, bytecode)
            if compiled and (site_packages / compiled).is_file():
                link_file(site_packages / compiled, target / compiled)
        placed[next(path.partition("/")[0] for path in files if path.endswith(".dist-info/METADATA"))] = files
    return placed


def compiled_beside(path: str, tag: str) -> str | None:
    """Return where an interpreter with this cache tag keeps the bytecode of the source at `path`."""
    folder, slash, name = path.rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}{slash}__pycache__/{stem}.{tag}.pyc" if dot and suffix == "py" else None


def link_file(source: Path, target: Path) -> None:
    """Put `source` at `target` without copying its bytes where the file system allows it; never written to."""
    try:
        _link(source, target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        _link(source, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=True)
    except FileExistsError:
        return  # two distributions ship one file: pip keeps one of them as well
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copy2(source, target)


def publish_file(aside: Path, kept: Path) -> None:
    """Give the complete file `aside` the name `kept`, unless another process was first.

    A file that is there is never replaced: who is just linking it would find it gone (link(2): ENOENT).
    """
    try:
        os.link(aside, kept)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links, where nobody links either
        aside.replace(kept)
    aside.unlink(missing_ok=True)


def versions_in(folder: Path) -> dict[str, str]:
    """Return the version of each distribution (PEP 503 name) of which anything is in `folder`."""
    found = distributions(path=[str(folder)])
    return {canonicalize_name(one.metadata["Name"]): one.version for one in found}


def write_records(folder: Path, placed: Mapping[str, Sequence[str]]) -> None:
    """Write the RECORD of each placed distribution, of the files that are in `folder` now.

    A source may have been replaced by its bytecode, or both may be there.
    """
    for info, listed in placed.items():
        if not (folder / info).is_dir():
            continue  # nothing of it was kept
        present = sorted(path for name in listed for path in (name, name + "c") if (folder / path).is_file())
        rows = [*(_row(folder, path) for path in present), (f"{info}/RECORD", "", "")]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        (folder / info / "RECORD").write_text(text.getvalue())


def _files(distribution: Distribution) -> Iterator[PurePosixPath]:
    files = distribution.files
    if files is None:
        message = f"{distribution.metadata['Name']} does not list its files, so it cannot be copied"
        raise BuildError(message, hint="install it from a wheel")
    return (path for path in files if _carried(distribution, path))


def _carried(distribution: Distribution, path: PurePosixPath) -> bool:
    if ".." in path.parts or path.suffix == ".pyc":
        return False
    if not path.parent.name.endswith(".dist-info"):
        return True
    if path.name == "direct_url.json":
        return not str(json.loads(distribution.read_text(path.name) or "{}").get("url")).startswith("file:")
    return path.name not in _INSTALLER_NOTES


def _row(folder: Path, path: str) -> tuple[str, str, str]:
    digest = base64.urlsafe_b64encode(bytes.fromhex(sha256_of(folder / path))).rstrip(b"=").decode()
    return path, f"sha256={digest}", str((folder / path).stat().st_size)


def total_bytes(paths: Iterable[Path]) -> int:
    """Return the bytes of all regular files at and below `paths`, as `du --apparent-size` counts files."""
    return sum(map(_bytes_below, map(str, paths)))


def _bytes_below(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += _bytes_below(entry.path)
            elif not entry.is_symlink():
                total += entry.stat(follow_symlinks=False).st_size
    return total
