"""Which modules loading a pickle would import and which functions it carries, found without loading it."""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import resolve_name
from typing import Any

from nbslim.analyzer.types import Place

# Calls whose first argument names a module that they import; cloudpickle's `subimport` is told by its name alone,
# because others carry cloudpickle inside (`joblib.externals.cloudpickle.cloudpickle`).
_IMPORTERS = frozenset(
    {("builtins", "__import__"), ("importlib", "__import__"), ("importlib", "import_module")},
)
_CELL = re.compile(r"<cell (\d+)>")
_UNKNOWN = object()
_MARK = object()


def pickled_modules(data: bytes) -> frozenset[str]:
    """Name all modules that unpickling `data` would import, dotted; nested pickles are read too.

    References to the notebook itself appear as `__main__`. Raises ValueError where `data` is no whole pickle.
    """
    return frozenset(_read(data).modules)


def pickled_functions(data: bytes) -> frozenset[Place]:
    """Return where the notebook's functions start whose code `data` carries, nested pickles included.

    They are told by the name of their code's file, `<cell 3>`. Raises ValueError where `data` is no whole pickle.
    """
    return frozenset(_read(data).functions)


def _read(data: bytes) -> _Machine:
    machine = _Machine()
    position = 0
    try:
        for opcode, argument, where in pickletools.genops(data):
            position = where or 0
            machine.step(opcode, argument)
    except IndexError as exc:
        raise ValueError(f"not a whole pickle: the stack is empty at byte {position}") from exc
    except KeyError as exc:
        raise ValueError(f"not a whole pickle: memo {exc} is read before it is set, byte {position}") from exc
    except ValueError as exc:
        raise ValueError(f"not a whole pickle: {exc}, after byte {position} of {len(data)}") from exc
    return machine


@dataclass(frozen=True)
class _Global:
    """What a GLOBAL opcode brings: a name in a module."""

    module: str
    name: str

    @property
    def imports(self) -> bool:
        """Whether a call of it imports the module that its first argument names."""
        carried = self.name == "subimport" and "cloudpickle" in self.module.split(".")
        return carried or (self.module, self.name) in _IMPORTERS


class _Machine:
    """The pickle machine with a symbolic stack: literals, tuples and globals are known, all else is not."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.functions: set[Place] = set()
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._protocol = 0

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Execute one opcode."""
        if special := _SPECIAL.get(opcode.name):
            special(self, argument)
            return
        self._pop(opcode)
        literal = argument is not None and not opcode.stack_before
        self._stack += [argument if literal else _UNKNOWN] * len(opcode.stack_after)
        if literal and isinstance(argument, (bytes, bytearray)):
            self._look_inside(bytes(argument))

    def _pop(self, opcode: pickletools.OpcodeInfo) -> None:
        for kind in reversed(opcode.stack_before):
            if kind is pickletools.stackslice:
                self._pop_to_mark()
            elif kind is not pickletools.markobject:
                self._stack.pop()

    def _pop_to_mark(self) -> tuple[Any, ...]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return tuple(reversed(items))

    def mark(self, _: Any) -> None:
        self._stack.append(_MARK)

    def duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def protocol(self, version: int) -> None:
        self._protocol = version

    def unknown(self, _: Any) -> None:
        self._stack.append(_UNKNOWN)

    def extension(self, code: int) -> None:
        raise ValueError(f"extension code {code} stands for a name that only its registry knows")

    def get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    def put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    def memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def tuple_of(self, count: int) -> None:
        items = tuple(self._stack.pop() for _ in range(count))
        self._stack.append(items[::-1])

    def tuple_to_mark(self, _: Any) -> None:
        self._stack.append(self._pop_to_mark())

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_global(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if {type(module), type(name)} != {str}:
            raise ValueError("a global whose module is not spelled out")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        if self._protocol < 3:  # older protocols write Python 2's names, which the unpickler translates
            module, name = NAME_MAPPING.get((module, name), (module, name))
            module = IMPORT_MAPPING.get(module, module)
        self.modules.add(module)
        self._stack.append(_Global(module, name))

    def instance(self, argument: str) -> None:
        arguments = self._pop_to_mark()
        self.global_(argument)
        self._call(self._stack.pop(), arguments)

    def object_(self, _: Any) -> None:
        function, *arguments = self._pop_to_mark()
        self._call(function, tuple(arguments))

    def reduce(self, _: Any) -> None:
        arguments, function = self._stack.pop(), self._stack.pop()
        self._call(function, arguments)

    def _call(self, function: Any, arguments: Any) -> None:
        self._stack.append(_UNKNOWN)
        if isinstance(arguments, tuple):
            self.functions.update(_code_places(arguments))
        if not (isinstance(function, _Global) and isinstance(arguments, tuple) and arguments):
            return
        if not isinstance(arguments[0], str):
            return
        if function.imports:
            self._import(*arguments[:2])
        elif (function.module, function.name) == ("_codecs", "encode"):  # bytes, in protocols before 3
            self._look_inside(arguments[0].encode("latin-1", "replace"))

    def _import(self, name: str, package: Any = None) -> None:
        if not name.startswith("."):
            self.modules.add(name)
        elif isinstance(package, str):
            try:
                self.modules.add(resolve_name(name, package))
            except ImportError as exc:
                raise ValueError(f"{name} leads out of {package}") from exc

    def _look_inside(self, data: bytes) -> None:
        for nested in _nested(data):
            try:
                inner = _read(nested)
            except ValueError:
                continue  # it only begins and ends like a pickle; bytecode does at times
            self.modules |= inner.modules
            self.functions |= inner.functions


def _code_places(arguments: tuple[Any, ...]) -> Iterator[Place]:
    """Yield the place that the arguments of a code object name: its first line is the first number after its file."""
    for at, argument in enumerate(arguments):
        cell = _CELL.fullmatch(argument) if isinstance(argument, str) else None
        line = next((a for a in arguments[at:] if isinstance(a, int)), None)
        if cell and line:
            yield Place(int(cell[1]), line)


def _nested(data: bytes) -> list[bytes]:
    """Give what may be pickles: the data themselves, or the `.pkl` members of a zip container."""
    if data[:1] == b"\x80" and data[1:2] in {b"\2", b"\3", b"\4", b"\5"} and data.endswith(b"."):
        return [data]
    if not data.startswith(b"PK\3\4"):
        return []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError):
        return []


_SPECIAL: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    "MARK": _Machine.mark,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "INST": _Machine.instance,
    "OBJ": _Machine.object_,
    "REDUCE": _Machine.reduce,
    "TUPLE": _Machine.tuple_to_mark,
    "EMPTY_TUPLE": lambda machine, _: machine.tuple_of(0),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "PERSID": _Machine.unknown,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.extension),
}
