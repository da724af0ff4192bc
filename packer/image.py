"""What an image is: files chosen from the draft tree, laid into a tree of their own, and how it starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nbslim.packer.bytecode import place_bytecode
from nbslim.packer.cut import place_without_symbols
from nbslim.packer.distributions import link_file, write_records
from nbslim.packer.draft import Draft, Parts
from nbslim.packer.enclosure import Enclosure, enclose
from nbslim.packer.layout import DISTRIBUTIONS, MODEL, RUNTIME, files_below
from nbslim.packer.oci import ImageConfig, Layer
from nbslim.packer.rootfs import lay_rootfs
from nbslim.packer.workspace import remove_tree

LAYERS = (
    Layer("interpreter", ("",)),
    Layer("distributions", (DISTRIBUTIONS,)),
    Layer("runtime", (RUNTIME,)),
    Layer("bundle", (MODEL,)),
)
"""By rate of change: a retrained model changes only the last."""

ENVIRONMENT = {
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "NBSLIM_DISTRIBUTIONS": f"/{DISTRIBUTIONS}",
    "PATH": "/usr/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"/{DISTRIBUTIONS}:/{RUNTIME}",
    "PYTHONSAFEPATH": "1",
    "PYTHONUNBUFFERED": "1",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}

ACCELERATOR = "io.nbslim.accelerator"
"""Label of images that hold nothing for a GPU, though the notebook's environment did."""


def config(title: str, labels: Mapping[str, str], created: int) -> ImageConfig:
    """Return how the image starts: the runtime, as a numeric user of group 0, on port 8080."""
    return ImageConfig(
        entrypoint=("/usr/bin/python3", "-m", "nbslim.runtime"),
        env=ENVIRONMENT,
        user="1001:0",
        working_dir="/app/model",
        ports=(8080,),
        labels={"org.opencontainers.image.title": title, **labels},
        created=created,
    )


@dataclass(frozen=True)
class Selection:
    """What of a draft an image holds."""

    files: frozenset[str]
    sources: frozenset[str] = frozenset()
    """Those that stay, beside their bytecode."""
    cut: frozenset[str] = frozenset()
    """Libraries that are laid without symbols; replay must load them all."""


def assemble(parts: Parts, draft: Draft, chosen: Selection, tree: Path) -> Enclosure:
    """Lay the chosen files into `tree`, made anew, with bytecode in place of sources. Returns the way into it."""
    remove_tree(tree)
    tree.mkdir(parents=True)
    lay_rootfs(tree)
    (tree / draft.stdlib / "lib-dynload").mkdir(parents=True)  # by it the interpreter knows its exec_prefix
    sources = sorted(path for path in chosen.files if path.endswith(".py"))
    for path in sorted(chosen.files.difference(sources)):
        _lay(draft.tree / path, tree / path, parts.cache / "cut" if path in chosen.cut else None)
    place_bytecode(
        enclose(draft.tree),
        sources,
        tree,
        version=parts.interpreter.version,
        cache=parts.cache / "bytecode",
        keep=chosen.sources,
    )
    record(draft, tree)
    return enclose(tree)


def record(draft: Draft, tree: Path) -> None:
    """Write the RECORD of each distribution, of the files that `tree` has."""
    for folder in (DISTRIBUTIONS, RUNTIME):
        start = len(folder) + 1
        of_it = {info: files for info, files in draft.distributions.items() if info.startswith(f"{folder}/")}
        write_records(
            tree / folder, {info[start:]: [path[start:] for path in files] for info, files in of_it.items()}
        )


def take_out(tree: Path, paths: Collection[str], aside: Path) -> None:
    """Move what `paths` of a draft have become in `tree` to the folder `aside`, which is laid out as the tree is.

    No folder stays empty: Python would import it as a namespace package.
    """
    for path in paths:
        for name in _become(tree, path):
            _move(tree / name, aside / name)
    for folder in {(tree / path).parent for path in paths}:
        _remove_empty(folder, tree)


def _become(tree: Path, path: str) -> Iterator[str]:
    """Yield what the file of a draft may be in an assembled tree, with what was made there beside it."""
    yield path
    if path.endswith(".py"):
        yield f"{path}c"
        file = PurePosixPath(path)
        compiled = (tree / file.parent / "__pycache__").glob(f"{file.stem}.*.pyc")
        yield from (str(one.relative_to(tree)) for one in list(compiled))
    elif path.endswith(".dist-info/METADATA"):
        yield f"{path.removesuffix('METADATA')}RECORD"


def _remove_empty(folder: Path, tree: Path) -> None:
    with suppress(OSError):  # it is not empty
        (folder / "__pycache__").rmdir()
    with suppress(OSError):
        # By lib-dynload the interpreter knows its exec_prefix.
        while folder != tree and folder.name != "lib-dynload":
            folder.rmdir()
            folder = folder.parent


def put_back(tree: Path, aside: Path) -> None:
    """Move all files below `aside` back into `tree`."""
    for path in files_below(aside):
        _move(aside / path, tree / path)


def _move(source: Path, target: Path) -> None:
    if source.is_symlink() or source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)


def _lay(source: Path, target: Path, cut: Path | None) -> None:
    if source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.is_symlink():
            target.symlink_to(source.readlink())
    elif target.exists():
        return  # a file of the root file system's own
    elif cut:
        place_without_symbols(source, target, cut)
    else:
        link_file(source, target)
