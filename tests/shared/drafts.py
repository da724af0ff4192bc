"""Small draft trees with real libraries, and what a replay in them may have reached."""

from __future__ import annotations

import subprocess
from pathlib import Path

from nbslim.packer.draft import Draft
from nbslim.packer.trace import Possible, Trace

PYTHON = "python3.11"


def lay_files(tree: Path, *paths: str, size: int = 10) -> None:
    """Lay files of `size` bytes."""
    for path in paths:
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(b"x" * size)


def build_library(tree: Path, path: str, *needs: str, size: int = 10, run_path: str | None = None) -> None:
    """Build a shared library at `path` that needs the libraries at the paths `needs`, and has data of `size` bytes."""
    (tree / path).parent.mkdir(parents=True, exist_ok=True)
    source = f"static const char data[{size}] = {{1}}; const char *held(void) {{ return data; }}"
    links = [f"-L{(tree / one).parent}" for one in needs] + [f"-l:{Path(one).name}" for one in needs]
    options = ["-shared", "-fPIC", "-nostdlib", "-Wl,--no-as-needed", f"-Wl,-soname,{Path(path).name}"]
    options += [f"-Wl,-rpath,{run_path}"] if run_path else []
    _compile(source, tree / path, *options, *links)


def lay_python(tree: Path) -> None:
    """Lay what stands for an interpreter: a program, the loader, the landmark of its library."""
    (tree / "usr/bin").mkdir(parents=True)
    _compile("void _start(void) {}", tree / "usr/bin" / PYTHON, "-nostdlib", "-static")
    lay_files(tree, f"usr/lib/{PYTHON}/os.py", "usr/lib/ld-linux-x86-64.so.2", "etc/passwd")


def _compile(source: str, target: Path, *options: str) -> None:
    command = ["cc", "-x", "c", "-", "-x", "none", *options, "-o", str(target)]
    subprocess.run(command, input=source.encode(), check=True, capture_output=True)


def draft_of(tree: Path, **owned: tuple[str, ...]) -> Draft:
    """Return the draft in `tree`, of distributions with the files of each, relative to `app/lib`."""
    files = {}
    for name, paths in owned.items():
        info = f"app/lib/{name}-1.0.dist-info"
        lay_files(tree, f"{info}/METADATA")
        files[info] = [f"{info}/METADATA", *(f"app/lib/{path}" for path in paths)]
    return Draft(tree, PYTHON, "cpython-311", files)


def trace_of(modules: dict[str, str], **known: object) -> Trace:
    """Return the trace of a replay that loaded `modules`; all else that it reached is nothing unless it is known."""
    nothing = {
        "edges": {}, "missed": {}, "opened": frozenset(), "listed": frozenset(), "libraries": frozenset(),
        "lines": 0, "entered": 0,
    }  # fmt: skip
    possible = Possible(modules, known.get("edges", {}))  # no function holds another import
    return Trace(modules=modules, loaded=frozenset(modules), possible=possible, **{**nothing, **known})
