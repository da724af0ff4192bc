"""Finds shared libraries as the dynamic loader would, inside any root."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from nbslim.packer.elf import Elf, is_elf, read_elf
from nbslim.packer.errors import BuildError

HOST = Path("/")
_MAX_LINKS = 40  # as many as Linux follows


@dataclass(frozen=True)
class Closure:
    """The shared libraries behind some files, by the names under which they are asked for."""

    libraries: Mapping[str, Path]
    """Found in the loader's folders or by an absolute run path: a new root needs them in a folder of its loader."""
    beside: Mapping[str, Path]
    """Found by a run path relative to the file that needs them: they move together with it."""
    missing: Mapping[str, Path]
    """Found nowhere (drivers of the machine, for instance), with a file that asks for them."""


@dataclass(frozen=True)
class _Folder:
    path: Path
    beside: bool = False


def inside(root: Path, path: str | PurePosixPath) -> Path:
    """Where absolute `path` leads for a process whose root folder is `root`, all symbolic links followed.

    What does not exist is not followed. Raise BuildError where links turn in a circle.
    """
    real, links = root, 0
    parts = deque(PurePosixPath("/", path).parts[1:])
    while parts:
        part = parts.popleft()
        if part == "..":
            real = real if real == root else real.parent
            continue
        if not (real / part).is_symlink():
            real /= part
            continue
        links += 1
        if links > _MAX_LINKS:
            raise BuildError(f"{root / str(path).lstrip('/')}: too many symbolic links")
        target = PurePosixPath((real / part).readlink())
        real = root if target.is_absolute() else real
        parts.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
    return real


def loader_folders(root: Path = HOST) -> tuple[Path, ...]:
    """Folders that the loader of `root` searches by itself: `ld.so.conf`'s, then the built-in ones.

    The CPU-specific `glibc-hwcaps` folders below them are left alone: a new root must start on every CPU.
    """
    names = [*_configured(root, "/etc/ld.so.conf")]
    for folder in ("/lib", "/usr/lib"):
        triples = inside(root, folder).glob("*-linux-*")
        names += [f"{folder}/{triple.name}" for triple in sorted(triples) if triple.is_dir()]
    names += ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"]
    folders = (inside(root, name) for name in names)
    return tuple(dict.fromkeys(folder for folder in folders if folder.is_dir()))


def library_closure(
    paths: Iterable[Path], *, root: Path = HOST, main: Path | None = None, also: Iterable[str] = ()
) -> Closure:
    """Follow DT_NEEDED from `paths`, which may lie outside `root`; files that are not ELF are skipped.

    `main` is the executable that will load them: the loader searches its DT_RPATH for everybody. `also` names
    libraries that are loaded without being asked for; those that do not exist are not reported. A library that is
    itself among `paths` counts as found beside what needs it: its package has loaded it before.
    """
    search = _Search(root, main)
    search.follow([path for path in paths if is_elf(path)], tuple(also))
    libraries, beside = dict(sorted(search.libraries.items())), dict(sorted(search.beside.items()))
    return Closure(libraries, beside, search.missing)


class _Search:
    def __init__(self, root: Path, main: Path | None) -> None:
        self.root = root
        self.system = tuple(_Folder(path) for path in loader_folders(root))
        # To move together with what needs it, a library must be relative to that; main stays where it is put.
        self.main = tuple(_Folder(folder.path) for folder in self._rpath(main)) if main else ()
        self.libraries: dict[str, Path] = {}
        self.beside: dict[str, Path] = {}
        self.missing: dict[str, Path] = {}
        self.queue: deque[tuple[Path, Elf, tuple[_Folder, ...]]] = deque()

    def follow(self, files: Sequence[Path], also: Sequence[str]) -> None:
        given = {path.name: path for path in files}
        self.queue.extend((path, read_elf(path), self.main) for path in files)
        for name in also if files else ():
            self._find(name, self.queue[0][1].kind, (*self.main, *self.system), self.main)
        while self.queue:
            path, elf, inherited = self.queue.popleft()
            # A file with DT_RUNPATH ignores every DT_RPATH, its own and its loaders' (ld.so(8)).
            chain = () if elf.runpath else (*self._folders(elf.rpath, path), *inherited)
            folders = (*chain, *self._folders(elf.runpath, path), *self.system)
            for name in elf.needed:
                if name in self.libraries or name in self.beside or name in self.missing:
                    continue
                if not self._find(name, elf.kind, folders, chain):
                    if name in given:
                        self.beside[name] = given[name]
                    else:
                        self.missing[name] = path

    def _find(
        self, name: str, kind: tuple[int, str], folders: Iterable[_Folder], chain: tuple[_Folder, ...]
    ) -> bool:
        for folder in folders:
            real = self._real(folder.path / name)
            if not is_elf(real):
                continue
            elf = read_elf(real)
            if elf.kind == kind:
                (self.beside if folder.beside else self.libraries)[name] = real
                self.queue.append((folder.path / name, elf, chain))
                return True
        return False

    def _rpath(self, main: Path) -> tuple[_Folder, ...]:
        elf = read_elf(main)
        return () if elf.runpath else self._folders(elf.rpath, main)

    def _folders(self, run_paths: Iterable[str], user: Path) -> tuple[_Folder, ...]:
        """Expand the run paths of `user`: relative to it, or absolute in the root."""
        folders = []
        for run_path in run_paths:
            relative = run_path.replace("${ORIGIN}", "$ORIGIN")
            if relative.startswith("$ORIGIN"):
                path = self._real(user.parent / relative.removeprefix("$ORIGIN").lstrip("/"))
                folders.append(_Folder(path, beside=True))
            elif run_path.startswith("/"):
                folders.append(_Folder(inside(self.root, run_path)))
        return tuple(folders)

    def _real(self, path: Path) -> Path:
        if path.is_relative_to(self.root):
            return inside(self.root, f"/{path.relative_to(self.root)}")
        return path.resolve()


def _configured(root: Path, config: str) -> Iterator[str]:
    """Yield the folders that `ld.so.conf` and the files it includes name."""
    path = inside(root, config)
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                folder = PurePosixPath(config).parent / PurePosixPath(pattern).parent
                for found in sorted(inside(root, folder).glob(PurePosixPath(pattern).name)):
                    yield from _configured(root, str(folder / found.name))
        elif words and words[0].startswith("/"):
            yield words[0]
