"""What serving a notebook really loads: its cells run, its predictor is pickled, and another process calls it.

Run as a program it answers one notebook a line. Each is executed in a process of its own, forked from one that is still
clean, so that hundreds take seconds.
"""

from __future__ import annotations
import __future__

import contextlib
import dis
import json
import os
import pickle
import signal
import subprocess
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

STUBS = tuple(f"m{number}" for number in range(10))
PACKAGES = STUBS[5:]
"""Those of the stubs that have a submodule `sub`, which holds the same things."""

_STUB = """
class Thing:
    def __init__(self, *values): self.values = list(values)
    def __call__(self, *values): return self
    def __bool__(self): return True
    def __iter__(self): return iter(list(self.values))
    def __add__(self, other): return Thing(self, other)
    def __iadd__(self, other): return self.add(other)
    def __getitem__(self, key): return self
    def __setitem__(self, key, value): self.values.append(value)
    def __enter__(self): return self
    def __exit__(self, *error): return None
    def add(self, *values):
        self.values += values
        return self
class Wrapped(Thing):
    def __call__(self, *values): return self.values[0](*values)
def make(*values): return Thing(*values)
def plain(*values): return 1.0
def same(function): return function
THING = Thing()
NUMBER = float("0.5")
"""


@dataclass(frozen=True)
class Observed:
    """What became of a notebook that ran to its end."""

    loaded: frozenset[str]
    """Stubs that another process loaded to unpickle the predictor and to call it."""
    named: frozenset[str]
    """Stubs that code names which the predictor reaches, whether it is called or not."""
    pickled: bytes


class Oracle:
    """A process that answers what notebooks really need."""

    def __init__(self, folder: Path) -> None:
        _write_stubs(folder)
        command = [sys.executable, "-B", "-W", "ignore", __file__, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def observe(self, cells: Iterable[str]) -> Observed | str:
        """Run `cells`; returns what was observed, or why they did not run to their end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(list(cells)) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            return str(answer["error"])
        pickled = bytes.fromhex(answer["pickled"])
        return Observed(frozenset(answer["loaded"]), frozenset(answer["named"]), pickled)

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()


def _write_stubs(folder: Path) -> None:
    for stub in STUBS:
        if stub in PACKAGES:
            (folder / stub).mkdir()
            (folder / stub / "sub.py").write_text(_STUB)
            (folder / stub / "__init__.py").write_text(_STUB)
        else:
            (folder / f"{stub}.py").write_text(_STUB)


def _answer(cells: list[str]) -> dict[str, object]:
    ran = _in_child(_run, cells)
    if "error" in ran:
        return ran
    return {**ran, **_in_child(_serve, bytes.fromhex(ran["pickled"]))}


def _in_child(function: Callable, argument: object) -> dict:
    """Return what `function` returns in a process of its own, or the error that ended it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        signal.alarm(5)
        try:
            answer = function(argument)
        except BaseException as error:  # whatever a random program raises
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"error": "ended by a signal"}


def _run(cells: list[str]) -> dict[str, object]:
    import cloudpickle

    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    for number, cell in enumerate(cells, 1):
        # nbslim makes annotations strings before it pickles; here they are strings from the beginning
        flags = __future__.annotations.compiler_flag
        exec(compile(cell, f"<cell {number}>", "exec", flags, dont_inherit=True), main.__dict__)
    pickled = cloudpickle.dumps(main.__dict__["predictor"])
    return {"pickled": pickled.hex(), "named": sorted(_named(main.__dict__["predictor"]))}


def _serve(pickled: bytes) -> dict[str, object]:
    predictor = pickle.loads(pickled)
    with contextlib.suppress(Exception):
        predictor(1.0)  # what it loads before it fails is needed as well
    return {"loaded": sorted(set(STUBS).intersection(sys.modules))}


def _named(entry: object) -> set[str]:
    """Return the stubs that are named by code which `entry` reaches, from object to object."""
    found: set[str] = set()
    seen: dict[int, object] = {}
    queue = [entry]
    while queue:
        value = queue.pop()
        if id(value) not in seen:
            seen[id(value)] = value
            for name, other in _parts(value):
                found |= _stubs_of(other) if name else set()
                queue.append(other)
    return found.intersection(STUBS)


def _parts(value: object) -> Iterator[tuple[bool, object]]:
    """Yield the objects that `value` holds, each with whether code names it."""
    if isinstance(value, types.FunctionType):
        yield from ((True, other) for other in _names_of(value)) if value.__module__ == "__main__" else ()
        yield from ((False, other) for other in value.__defaults__ or ())
    elif isinstance(value, type):
        yield from ((True, base) for base in value.__bases__)
        yield from (
            ((False, other) for other in vars(value).values()) if value.__module__ == "__main__" else ()
        )
    elif isinstance(value, (list, tuple, set)):
        yield from ((False, other) for other in value)
    elif isinstance(value, dict):
        yield from ((False, other) for other in value.values())
    elif hasattr(value, "__dict__") and not isinstance(value, types.ModuleType):
        yield False, type(value)
        yield from ((False, other) for other in vars(value).values())


def _names_of(function: types.FunctionType) -> Iterator[object]:
    """Yield what the names in a function's code stand for, and the modules that it would import."""
    codes = [function.__code__]
    for code in codes:
        codes += [constant for constant in code.co_consts if isinstance(constant, types.CodeType)]
        for instruction in dis.get_instructions(code):
            if instruction.opname == "IMPORT_NAME":
                yield types.ModuleType(instruction.argval)
            elif instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL"):
                yield function.__globals__.get(instruction.argval)
    for cell in function.__closure__ or ():
        with contextlib.suppress(ValueError):
            yield cell.cell_contents


def _stubs_of(value: object) -> set[str]:
    """Return the stub that a value is, or from which it was taken as it is."""
    if isinstance(value, types.ModuleType):
        return {value.__name__.partition(".")[0]}
    stubs = [module for name, module in sys.modules.items() if name.partition(".")[0] in STUBS]
    holding = [stub for stub in stubs if any(value is other for other in vars(stub).values())]
    return {stub.__name__.partition(".")[0] for stub in holding if value is not None}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    import cloudpickle  # noqa: F401 - once, for all the children

    for line in sys.stdin:
        sys.stdout.write(json.dumps(_answer(json.loads(line))) + "\n")
        sys.stdout.flush()
