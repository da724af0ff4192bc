"""Runs in the draft tree, with a bundle and perhaps modules as arguments: replay the bundle, print what that reached.

The named modules count as reached, too.

The replay's own lines come first; the last line is JSON. Until the replay is done nothing is imported that serving does
not import, but what every Python has loaded at its start.
"""

from __future__ import annotations

import _lsprof
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nbslim.packer.inside_closure import Closure

IMPORTLIB = "<frozen importlib._bootstrap"
READING_SOURCE = frozenset({"linecache", "tokenize"})
SHOWING_SOURCE = frozenset({"traceback", "warnings"})
"""Modules that read sources by those only to show lines of them."""
CHECKING = "nbslim.runtime.integrity"
"""Reads all files of a bundle, and takes nothing from them but their hashes."""


class Recorder:
    """Notes what a process enters, opens and asks for."""

    def __init__(self, modules: str) -> None:
        self.own = ("<cell ", modules)
        self.entered: list[tuple[CodeType, str, str]] = []
        self.tracers: dict[int, Any] = {}
        self.lines: dict[str, set[int]] = {}
        self.opened: set[str] = set()
        self.listed: set[str] = set()
        self.importers: dict[str, set[str]] = {}
        # In C: tracing takes twice the time that loading takes.
        self.profiler = _lsprof.Profiler(builtins=False, subcalls=False)
        self.noted = {"open": self.opened, "os.listdir": self.listed, "os.scandir": self.listed}

    def start(self) -> None:
        """Record what this thread imports, opens and enters from now on."""
        sys.addaudithook(self.audit)
        sys.meta_path.insert(0, self)
        self.profiler.enable()

    def trace(self) -> None:
        """Record this thread and all that it starts line by line, where code is the notebook's own."""
        self.profiler.disable()
        threading.settrace(self.call)
        sys.settrace(self.call)

    def stop(self) -> None:
        """Record nothing any more; an audit hook can only be told so."""
        self.profiler.disable()
        sys.settrace(None)
        threading.settrace(None)
        sys.meta_path.remove(self)
        self.noted = {}
        self._add_profiled()

    def _add_profiled(self) -> None:
        """Add what was entered before lines were traced, with the modules that these files are."""
        modules = {getattr(module, "__file__", None): module for module in list(sys.modules.values())}
        for entry in self.profiler.getstats():
            code = entry.code
            if isinstance(code, CodeType) and id(code) not in self.tracers and code.co_filename in modules:
                names = vars(modules[code.co_filename])
                self.entered.append((code, str(names["__name__"]), str(names.get("__package__") or "")))

    def call(self, frame: FrameType, _event: str, _argument: object) -> Any:
        """Note the code that is entered; of the notebook's own code, note each line as well."""
        code = frame.f_code
        try:  # most code has been entered before, and this is called for every call
            return self.tracers[id(code)]
        except KeyError:
            names = frame.f_globals
            self.entered.append((code, str(names.get("__name__")), str(names.get("__package__") or "")))
            return self.tracers.setdefault(id(code), self.line if self.is_own(code) else None)

    def line(self, frame: FrameType, event: str, _argument: object) -> Any:
        """Note a line of the notebook's own code."""
        if event == "line":
            self.lines.setdefault(frame.f_code.co_filename, set()).add(frame.f_lineno)
        return self.line

    def is_own(self, code: CodeType) -> bool:
        """Whether `code` is the notebook's: of a cell, or of a module in the bundle."""
        return code.co_filename.startswith(self.own)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:  # noqa: ARG002 - a finder's
        """Note who asks for a module that is not loaded yet; find none."""
        self.importers.setdefault(name, set()).add(_importing(sys._getframe(1)))  # noqa: SLF001 - there is no public way

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note files that are opened and folders that are listed, but not by the import system."""
        noted = self.noted.get(event)  # most events are others, and every event comes here
        if noted is None or not isinstance(arguments[0], (str, bytes)):
            return
        if not _passed_over(sys._getframe(1)):  # noqa: SLF001 - there is no public way
            noted.add(os.path.realpath(os.fsdecode(arguments[0])))


def _importing(frame: FrameType | None) -> str:
    """Return the module that imports: a Python one has a frame, a C one is being loaded by the import system."""
    while frame is not None and frame.f_code.co_filename.startswith(IMPORTLIB):
        if frame.f_code.co_name == "_load_unlocked":
            return str(frame.f_locals["spec"].name)
        frame = frame.f_back
    return "" if frame is None else str(frame.f_globals.get("__name__"))


def _passed_over(frame: FrameType | None) -> bool:
    """Whether `frame` reads a file to import it, to check it, or to show a line of it."""
    if frame is not None and frame.f_code.co_filename.startswith(IMPORTLIB):
        return True
    if frame is not None and frame.f_globals.get("__name__") == CHECKING:
        return True
    while frame is not None and frame.f_globals.get("__name__") in READING_SOURCE:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get("__name__") in SHOWING_SOURCE


def _mapped() -> list[str]:
    """Return the files that are mapped into this process."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123 - pathlib may not have been loaded
        lines = [line.split(None, 5) for line in maps]
    return sorted({parts[5].strip() for parts in lines if len(parts) == 6 and parts[5].startswith("/")})


def _own_functions(recorder: Recorder) -> list[FunctionType]:
    """Return all the notebook's own functions that were loaded."""
    import gc  # noqa: PLC0415 - built in

    functions = [one for one in gc.get_objects() if isinstance(one, FunctionType)]
    return [function for function in functions if recorder.is_own(function.__code__)]


def _nested(code: CodeType) -> Iterator[CodeType]:
    """Yield `code` and all that it defines."""
    yield code
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield from _nested(one)


def _take_names(function: FunctionType) -> None:
    """Take the attributes of modules that the function may: some import what they are asked for."""
    names = {name for code in _nested(function.__code__) for name in code.co_names}
    seen, waiting = set[int](), [function.__globals__.get(name) for name in names]
    while waiting:
        module = waiting.pop()
        if isinstance(module, ModuleType) and id(module) not in seen:
            seen.add(id(module))
            for name in names:
                try:
                    waiting.append(getattr(module, name, None))
                except Exception:  # what it would import is not there, perhaps
                    continue


def _own_lines(functions: Sequence[FunctionType]) -> dict[str, set[int]]:
    """Return the lines of all the notebook's own functions that were loaded."""
    found: dict[str, set[int]] = {}
    for code in {code for function in functions for code in _nested(function.__code__)}:
        found.setdefault(code.co_filename, set()).update(_lines(code))
    return found


def _lines(code: CodeType) -> Iterator[int]:
    """Yield the lines of the code's statements: its first one defines it, unless it is a lambda's only one."""
    import dis  # noqa: PLC0415 - not while recording

    lines = {line for _, line in dis.findlinestarts(code) if line}
    yield from lines - {code.co_firstlineno} or lines


def _is_lazy(code: CodeType, module: str) -> bool:
    """Whether `code` gives a module its attributes one by one: of its imports, one call needs one."""
    function = getattr(sys.modules.get(module), "__dict__", {}).get("__getattr__")
    return getattr(function, "__code__", None) is code


def _report(recorder: Recorder, wanted: Sequence[str]) -> Mapping[str, Any]:
    """Return all that was found, as JSON can hold it; `wanted` modules are followed, too."""
    functions = _own_functions(recorder)
    for function in functions:
        _take_names(function)
    libraries, loaded = _mapped(), sorted(name for name, module in sys.modules.items() if module is not None)
    loaded.remove("_lsprof")  # the recorder's own
    recorder.stop()
    closure, own = _reached(recorder, functions, loaded), _own_lines(functions)
    closure.add_names(wanted)
    closure.complete()
    files, edges = dict(closure.files), {name: dict(targets) for name, targets in closure.edges.items()}
    _add_possible(closure, recorder)
    return {
        "modules": files,
        "loaded": loaded,
        "edges": edges,
        "possible": {"modules": closure.files, "edges": closure.edges},
        "missed": {name: sorted(who) for name, who in recorder.importers.items() if name not in files},
        "opened": sorted(recorder.opened),
        "listed": sorted(recorder.listed),
        "libraries": libraries,
        "lines": sum(map(len, own.values())),
        "entered": sum(len(lines & recorder.lines.get(name, set())) for name, lines in own.items()),
    }


def _reached(recorder: Recorder, functions: Sequence[FunctionType], loaded: Sequence[str]) -> Closure:
    """Return the closure of what was entered, what was asked for, and the notebook's own functions."""
    from nbslim.packer.inside_closure import Closure  # noqa: PLC0415 - not while recording

    closure = Closure(loaded)
    for code, module, package in recorder.entered:
        if not _is_lazy(code, module):
            closure.add_code(code, module, package)
    for function in functions:
        names = function.__globals__
        for code in _nested(function.__code__):
            closure.add_code(code, str(names.get("__name__")), str(names.get("__package__") or ""))
    for name in set(loaded) - {module for code, module, _ in recorder.entered if code.co_name == "<module>"}:
        closure.add_top_level(name)  # Python loads some before a program can trace anything
    closure.add_importers(recorder.importers)
    return closure


def _add_possible(closure: Closure, recorder: Recorder) -> None:
    """Add what all functions import of the modules of which one was entered."""
    entered = {module for code, module, _ in recorder.entered if code.co_name != "<module>"}
    for code, module, package in recorder.entered:
        if code.co_name == "<module>" and module in entered:
            closure.add_functions(code, module, package)
    closure.complete()


def main(bundle: str, wanted: Sequence[str]) -> None:
    """Replay while recording, then print the report."""
    recorder = Recorder(f"{bundle}/modules/")
    recorder.start()
    stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    __import__("nbslim.runtime.__main__")  # which is what serves
    from nbslim.runtime.replay import main as replay  # noqa: PLC0415 - it is recorded as well

    replay([bundle], os.environ, recorder.trace)
    told = _report(recorder, wanted)
    import json  # noqa: PLC0415 - not while recording

    stdout.write(json.dumps(told) + "\n")
    stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
