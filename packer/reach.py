"""Chooses the files of a draft tree that serving can reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from nbslim.packer.draft import SHARED, Draft
from nbslim.packer.known import HARDWARE, WHOLE
from nbslim.packer.layout import CERTIFICATES, DISTRIBUTIONS, MODEL, OWN, RUNTIME
from nbslim.packer.libraries import library_closure
from nbslim.packer.trace import Trace

_WORDS = "|".join(sorted(map(re.escape, HARDWARE), key=len, reverse=True))
_HARDWARE = re.compile(rf"(?<![a-z0-9])({_WORDS})(?![a-z0-9])")

STARTING = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1")
"""Libraries that libc loads by itself, when a process resolves names or ends threads."""


def reached(
    draft: Draft, trace: Trace, modules: Collection[str], *, keep: Collection[str] = ()
) -> frozenset[str]:
    """Return the files of `draft` that an image needs which serves as `trace` did, with `modules` of those it names.

    `keep` are patterns of files to keep besides.
    """
    found = {trace.modules[name] for name in modules}
    gone, listed = _gone(draft, trace, found), _listed(draft, trace)
    wild = [pattern for pattern in keep if set(pattern) & set("*?[")]
    by_themselves = (
        set(trace.libraries) - set(needed(draft, trace.modules.values())) - set(trace.modules.values())
    )
    found |= {path for path in (*trace.opened, *by_themselves) if draft.owners.get(path) not in gone}
    found |= {path for path in draft.files if path.rpartition("/")[0] in listed}
    found |= set(keep) | {path for path in draft.files if any(fnmatchcase(path, one) for one in wild)}
    found |= set(_started(draft))
    found |= set(_whole(draft, found))
    found |= set(_alternatives(draft, found))
    found |= set(needed(draft, found))
    found |= set(_notes(draft, found))
    return frozenset(found & draft.files)


def shown(draft: Draft, trace: Trace) -> frozenset[str]:
    """Return the sources that serving sees as such: those that it opens, and those in folders that it lists."""
    listed = _listed(draft, trace)
    beside = {path for path in draft.files if path.endswith(".py") and path.rpartition("/")[0] in listed}
    return trace.opened | beside


def _gone(draft: Draft, trace: Trace, kept: Collection[str]) -> set[str | None]:
    """Return the distributions of which the trace has modules, and none is kept."""
    had = {draft.owners[path] for path in trace.modules.values() if path in draft.owners}
    return {*(had - {draft.owners[path] for path in kept if path in draft.owners})}


def _started(draft: Draft) -> Iterator[str]:
    """Yield what every process needs: the interpreter and its loader, the small files of a system, model, runtime."""
    for path in draft.files:
        ours = path.startswith((f"{MODEL}/", f"{OWN}/", "usr/bin/", "usr/lib/ld-"))
        if ours or (not path.startswith(("app/", "usr/")) and path != CERTIFICATES):
            yield path
    yield f"{draft.stdlib}/os.py"  # by it the interpreter knows its library


def _listed(draft: Draft, trace: Trace) -> frozenset[str]:
    """Return the folders whose entries serving asks for, but for those in which modules are looked for."""
    return trace.listed - {DISTRIBUTIONS, RUNTIME, draft.stdlib, f"{draft.stdlib}/lib-dynload", "", "."}


def _whole(draft: Draft, found: Collection[str]) -> Iterator[str]:
    """Yield the files of folders that are kept whole once anything in them is."""
    for pattern in WHOLE:
        depth = pattern.count("/") + 1
        folders = {"/".join(path.split("/")[:depth]) for path in found}
        kept = tuple(f"{folder}/" for folder in folders if fnmatchcase(folder, pattern))
        yield from (path for path in draft.files if kept and path.startswith(kept))


def _alternatives(draft: Draft, found: Collection[str]) -> Iterator[str]:
    """Yield the libraries that another processor would load in place of those that are kept, plain ones among them."""
    kept = {_without_hardware(path) for path in found if SHARED.search(path)}
    for path in draft.files:
        if SHARED.search(path) and _without_hardware(path) in kept:
            yield path


def _without_hardware(path: str) -> str:
    """Return the path without the words for a processor, and without the folder `glibc-hwcaps`."""
    return re.sub(r"[-_./]+", "/", _HARDWARE.sub("", path.replace("glibc-hwcaps/", "")))


def needed(draft: Draft, paths: Collection[str]) -> Iterator[str]:
    """Yield the shared libraries behind `paths` (DT_NEEDED), and those that libc loads by itself."""
    root = draft.tree.resolve()
    main = root / "usr/bin" / draft.python
    waiting, known = {root / path for path in paths if SHARED.search(path)} | {main}, set[Path]()
    while waiting:
        closure = library_closure(sorted(waiting), root=root, main=main, also=STARTING)
        known |= waiting
        yield from (f"usr/lib/{name}" for name in closure.libraries)
        beside = {path.resolve() for path in closure.beside.values()}
        # A library that its package loads by its path before others ask for it by name.
        beside |= {root / draft.shared[name] for name in closure.missing if name in draft.shared}
        yield from (str(path.relative_to(root)) for path in beside)
        waiting = beside - known


def _notes(draft: Draft, found: Collection[str]) -> Iterator[str]:
    """Yield metadata and path files of distributions of which anything is kept, and certificates where TLS is."""
    kept = {draft.owners[path] for path in found if path in draft.owners}
    for path, info in draft.owners.items():
        if info in kept and (path.startswith(f"{info}/") or path.endswith(".pth")):
            yield path
    if any(path.startswith("usr/lib/libssl") for path in found):
        yield from (path for path in draft.files if path == CERTIFICATES)
