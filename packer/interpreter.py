"""Describes a Python interpreter and lays it, free of its old paths, into a new root file system."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nbslim.packer.disk import writing
from nbslim.packer.elf import MAGIC, read_elf
from nbslim.packer.errors import BuildError
from nbslim.packer.laid import BYTECODE, Laid, laid_once, link_tree, valid_bytecode
from nbslim.packer.libraries import HOST, Closure, inside, library_closure
from nbslim.packer.relocation import Relocation, without_symbols_only
from nbslim.packer.rootfs import BUNDLES, CERTIFICATES, lay_certificates, lay_link, lay_rootfs
from nbslim.packer.stdlib import stdlib_files

# Loaded by libc when a process resolves names or ends threads; no file asks for them.
_RUN_TIME_LIBRARIES = ("libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2", "libgcc_s.so.1")

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True)
class Interpreter:
    """A CPython as it lies in `root`; the other paths are absolute inside `root`."""

    root: Path
    version: str
    """Such as `3.11.7`."""
    cache_tag: str
    """What the names of its bytecode files hold, such as `cpython-311`."""
    executable: str
    prefix: str
    stdlib: str
    dynload: str | None
    """Where the standard library's extension modules lie; None if all are built in."""
    loader: str | None
    """The dynamic loader as the executable names it (PT_INTERP); None if it is linked statically."""
    libpython: str | None
    """The shared library that holds the interpreter; None if the executable does."""
    certificates: str | None
    """Where its OpenSSL looks for CA certificates."""
    prefixes: tuple[str, ...]
    """Every spelling of its prefix that its files may hold, the longest first."""
    build_folders: tuple[str, ...]
    """Where it was compiled."""
    home: str
    """The home folder of who described it."""

    @property
    def name(self) -> str:
        """The file name of its executable in an image, such as `python3.11`."""
        return f"python{self.version.rpartition('.')[0]}"


@dataclass(frozen=True)
class Assembled:
    """What was laid into a tree; `bytes` is the sum of all file sizes, as in `du --apparent-size` without folders."""

    bytes: int
    libraries: Mapping[str, Path]
    """The shared libraries in `/usr/lib`, by name, with where they came from."""
    missing: Mapping[str, Path]
    """Names of shared libraries that were found nowhere, each with a file that asks for it."""


def describe(executable: str, *, root: Path = HOST, run: Run | None = None) -> Interpreter:
    """Ask `executable` where its parts lie; a virtual environment's answers for its base.

    `run` gets a command and returns its standard output; for another `root` than the host's it runs it in there.
    Raise BuildError if no such answer comes.
    """
    probe = Path(__file__).with_name("inside_describe.py").read_text("utf-8")
    try:
        answer = json.loads((run or _run)([executable, "-I", "-S", "-B", "-c", probe]))
    except ValueError as exc:
        raise BuildError(f"{executable} does not answer as CPython 3.9 or newer does") from exc
    path = inside(root, answer["executable"])
    closure = library_closure([path], root=root)
    libpython = next((lib for lib in _all(closure).values() if lib.name.startswith("libpython")), None)
    return Interpreter(
        root=root,
        version=answer["version"],
        cache_tag=answer["cache_tag"],
        executable=answer["executable"],
        prefix=answer["prefix"],
        stdlib=answer["stdlib"],
        dynload=answer["dynload"],
        loader=read_elf(path).interpreter,
        libpython=f"/{libpython.relative_to(root)}" if libpython else None,
        certificates=answer["certificates"],
        prefixes=_longest_first((answer["prefix"], *answer["prefixes"])),
        build_folders=_longest_first(answer["build_folders"]),
        home=answer["home"],
    )


def assemble_interpreter(
    interpreter: Interpreter,
    tree: Path,
    *,
    libraries_for: Iterable[Path] = (),
    full: bool = False,
    bytecode: bool = False,
    cache: Path | None = None,
) -> Assembled:
    """Lay the interpreter into `tree`, with all that it and `libraries_for` need of the operating system.

    `libraries_for` are the ELF files of the distributions that the image holds; libraries in their own wheels are not
    copied. The standard library comes as sources, with `bytecode` also with what Python has compiled of those that
    stay as they are. With `full`, lay down what a one-stage image would hold, to be counted and not to be run: all but
    CPython's test suites, static library and debug symbols, with the bytecode that lies there, and with the old paths.
    Files are copied, never linked: what runs in the tree must not reach the host. With `cache`, nbslim's own, they are
    copied there once and linked from there.

    Raise BuildError if `tree` cannot be written.
    """
    root, main = interpreter.root, inside(interpreter.root, interpreter.executable)
    relocation = Relocation.to_prefix(interpreter.prefixes, interpreter.build_folders, interpreter.home)
    with writing("the interpreter", tree):
        laid = _laid(interpreter, relocation, tree, full=full, cache=cache)
        size = link_tree(laid.tree, tree, bytecode=bytecode) if laid.tree != tree else laid.bytes
        theirs = library_closure(libraries_for, root=root, main=main)
        read = without_symbols_only if full else relocation.cleaned
        more = {name: path for name, path in theirs.libraries.items() if name not in laid.libraries}
        size += sum(_write(tree / "usr/lib" / name, read(path)) for name, path in more.items())
    ours = {name: root / path for name, path in laid.libraries.items()}
    missing = {name: root / path for name, path in laid.missing.items()}
    return Assembled(size, dict(sorted({**more, **ours}.items())), {**theirs.missing, **missing})


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        stderr = (getattr(exc, "stderr", None) or str(exc)).strip()
        raise BuildError(f"{command[0]} cannot be run: {stderr.splitlines()[-1]}") from exc
    return done.stdout


def _laid(
    interpreter: Interpreter, relocation: Relocation, tree: Path, *, full: bool, cache: Path | None
) -> Laid:
    """Lay down the interpreter by itself: into `tree`, or once for all into the cache."""
    files = _own_files(interpreter, full=full)
    if cache is None or full:
        return _lay(interpreter, relocation, files, tree, full=full)
    watched = {name: inside(interpreter.root, name) for name in _watched(interpreter)}

    def lay(target: Path) -> Laid:
        laid = _lay(interpreter, relocation, files, target, full=False)
        _lay_bytecode(files, target, interpreter.cache_tag)
        return laid

    return laid_once(cache, replace(interpreter, root=HOST), files | watched, lay)


def _watched(interpreter: Interpreter) -> Iterator[str]:
    """Yield what changes with the system's libraries: the loader's cache is written anew whenever one is installed."""
    yield from ("/etc/ld.so.cache", *BUNDLES)
    yield from (path for path in (interpreter.loader, interpreter.libpython) if path)


def _lay(
    interpreter: Interpreter, relocation: Relocation, files: Mapping[str, Path], tree: Path, *, full: bool
) -> Laid:
    read = without_symbols_only if full else relocation.cleaned
    root = interpreter.root
    size = lay_rootfs(tree)
    lay_link(tree / "usr/bin/python3", interpreter.name)
    closure = _system_libraries(interpreter, files.values())
    libraries = _all(closure)
    everything = {**files, **{f"usr/lib/{name}": library for name, library in libraries.items()}}
    if interpreter.loader is not None:
        loader = inside(tree, interpreter.loader).relative_to(tree)
        everything[str(loader)] = inside(root, interpreter.loader)
    size += sum(_write(tree / target, read(source)) for target, source in everything.items())
    size += lay_certificates(tree, root, relocation.path(interpreter.certificates or CERTIFICATES))
    found = {name: str(path.relative_to(root)) for name, path in libraries.items()}
    return Laid(
        tree, size, found, {name: str(path.relative_to(root)) for name, path in closure.missing.items()}
    )


def _lay_bytecode(files: Mapping[str, Path], tree: Path, cache_tag: str) -> None:
    """Lay the interpreter's own bytecode beside the sources that came as they were, which keep their times for it."""
    for target, source in files.items():
        laid = tree / target
        if source.suffix == ".py" and laid.read_bytes() == source.read_bytes():
            shutil.copystat(source, laid)
            laid.chmod(0o644)
            if compiled := valid_bytecode(source, cache_tag):
                _write(laid.parent / BYTECODE / compiled.name, compiled.read_bytes())


def _own_files(interpreter: Interpreter, *, full: bool) -> dict[str, Path]:
    """Map paths in the tree to the interpreter's own files: executable and standard library."""
    files = {f"usr/bin/{interpreter.name}": inside(interpreter.root, interpreter.executable)}
    target = f"usr/lib/{Path(interpreter.stdlib).name}"
    folders = {target: interpreter.stdlib}
    if interpreter.dynload is not None:
        folders[f"{target}/lib-dynload"] = interpreter.dynload
    for place, source in folders.items():
        folder = inside(interpreter.root, source)
        for file in stdlib_files(folder, full=full):
            path = folder / file
            files[f"{place}/{file}"] = (
                inside(interpreter.root, f"{source}/{file}") if path.is_symlink() else path
            )
    return files


def _system_libraries(interpreter: Interpreter, own: Iterable[Path]) -> Closure:
    """Find what the interpreter needs in the new `/usr/lib`."""
    root, main = interpreter.root, inside(interpreter.root, interpreter.executable)
    # Tk needs a display; official images carry its module without its libraries.
    files = [path for path in own if not path.name.startswith("_tkinter")]
    return library_closure(files, root=root, main=main, also=_RUN_TIME_LIBRARIES)


def _longest_first(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(paths), key=lambda path: (-len(path), path)))


def _all(closure: Closure) -> dict[str, Path]:
    return {**closure.libraries, **closure.beside}


def _write(path: Path, data: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o755 if data.startswith(MAGIC) else 0o644)
    return len(data)
