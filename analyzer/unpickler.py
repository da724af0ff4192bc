"""A pickle machine with a symbolic stack: it builds the graph of what loading would make, and imports nothing."""

from __future__ import annotations

import pickletools
import re
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable, Iterator
from importlib.util import resolve_name
from typing import IO, Any

from nbslim.analyzer.arrays import follows, skip_array
from nbslim.analyzer.made import DATA, STATE, Contents, Global, Made
from nbslim.analyzer.names import is_standard
from nbslim.analyzer.stack import Stack
from nbslim.analyzer.types import Place

_FILE = re.compile(r"[^\0\n]{1,200}\.\w{1,10}")
_CELL = re.compile(r"<cell (\d+)>")

Data = bytes | memoryview
Inside = Callable[[Data], list[Contents]]
"""Gives the contents of the pickles that some bytes hold."""


def unpickle(stream: IO[bytes], inside: Inside, buffers: Iterable[Data] = ()) -> Contents:
    """Read one pickle to its end; `buffers` are kept out of it. Raises ValueError where there is no whole one."""
    machine = _Machine(stream, inside, buffers)
    position = 0
    try:
        for opcode, argument, where in pickletools.genops(stream):
            position = where or 0
            machine.step(opcode, argument)
    except IndexError as exc:
        raise ValueError(f"not a whole pickle: the stack is empty at byte {position}") from exc
    except KeyError as exc:
        raise ValueError(f"not a whole pickle: memo {exc} is read before it is set, byte {position}") from exc
    except (ValueError, EOFError, OSError) as exc:
        raise ValueError(f"not a whole pickle: {exc}, after byte {position}") from exc
    return Contents(
        machine.root, frozenset(machine.modules), frozenset(machine.functions), frozenset(machine.files)
    )


class _Machine(Stack):
    """What opcodes do that name modules, call or read on; it keeps what the pickle tells on the way."""

    def __init__(self, stream: IO[bytes], inside: Inside, buffers: Iterable[Data]) -> None:
        super().__init__()
        self.modules: set[str] = set()
        self.functions: set[Place] = set()
        self.files: set[str] = set()
        self.root: Any = DATA
        self._stream = stream
        self._inside = inside
        self._buffers = iter(buffers)
        self._protocol = 0

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Execute one opcode."""
        if special := _SPECIAL.get(opcode.name):
            special(self, argument)
            return
        for kind in reversed(opcode.stack_before):
            if kind is pickletools.stackslice:
                self.pop_to_mark()
            elif kind is not pickletools.markobject:
                self.items.pop()
        literal = argument if isinstance(argument, (str, int)) and not opcode.stack_before else DATA
        if isinstance(literal, str):
            literal = self._text(literal)
        self.items += [literal] * len(opcode.stack_after)

    def _text(self, text: str) -> Any:
        """Return a text; where it is a pickle in base64, return that."""
        if _FILE.fullmatch(text):
            self.files.add(text)
        held = self._held(text.encode()) if text.startswith("gA") else DATA
        return text if held is DATA else held

    def stop(self, _: Any) -> None:
        self.root = self.items.pop()

    def protocol(self, version: int) -> None:
        self._protocol = version

    def extension(self, code: int) -> None:
        raise ValueError(f"extension code {code} stands for a name that only its registry knows")

    def bytes_(self, data: Any) -> None:
        self.items.append(self._held(data))

    def next_buffer(self, _: Any) -> None:
        self.items.append(self._held(next(self._buffers, b"")))

    def build(self, _: Any) -> None:
        state, target = self.items.pop(), self.items[-1]
        if isinstance(target, Made):
            target.add(STATE, state)
            if follows(target):
                self._read_array(target, state)

    def _read_array(self, wrapper: Made, state: Any) -> None:
        """Read what joblib writes behind the wrapper of an array: its bytes, or a pickle where it holds objects."""
        if skip_array(self._stream, state):
            return
        wrapper.add(None, self._take(unpickle(self._stream, self._inside)))

    def persistent(self, _: Any) -> None:
        made = Made()
        made.add(None, self.items.pop())
        self.items.append(made)

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._push_global(module, name)

    def stack_global(self, _: Any) -> None:
        name, module = self.items.pop(), self.items.pop()
        if {type(module), type(name)} != {str}:
            raise ValueError("a global whose module is not spelled out")
        self._push_global(module, name)

    def _push_global(self, module: str, name: str) -> None:
        if self._protocol < 3:  # older protocols write Python 2's names, which the unpickler translates
            module, name = NAME_MAPPING.get((module, name), (module, name))
            module = IMPORT_MAPPING.get(module, module)
        self.items.append(self._named(Global(module, name)))

    def _named(self, found: Global) -> Global:
        if not found.is_picklers_own:
            self.modules.add(found.module)
        return found

    def instance(self, argument: str) -> None:
        arguments = self.pop_to_mark()
        self.global_(argument)
        self._call(self.items.pop(), arguments)

    def object_(self, _: Any) -> None:
        function, *arguments = self.pop_to_mark()
        self._call(function, tuple(arguments))

    def reduce(self, _: Any) -> None:
        arguments, function = self.items.pop(), self.items.pop()
        self._call(function, arguments)

    def new_with_names(self, _: Any) -> None:
        names, arguments, function = self.items.pop(), self.items.pop(), self.items.pop()
        self._call(function, arguments)
        self.items[-1].add(None, names)

    def _call(self, function: Any, arguments: Any) -> None:
        given = arguments if isinstance(arguments, tuple) else ()
        if isinstance(function, Global) and function.module.startswith("pathlib"):
            self.files.add("/".join(part for part in given if isinstance(part, str)))
        self.functions.update(_code_places(given))
        if isinstance(function, Global) and given and isinstance(given[0], str):
            if function.imports:
                self.items.append(self._named(Global(_absolute(*given[:2]))))
                return
            if (function.module, function.name) == ("_codecs", "encode"):  # bytes, in protocols before 3
                self.items.append(self._held(given[0].encode("latin-1", "replace")))
                return
        made = Made(_maker(function, given))
        if made.maker is not function:
            made.add(None, function)
        made.add("arguments", arguments)
        self.items.append(made)

    def _held(self, data: Data) -> Any:
        """Return the pickles inside `data` as an object with these parts."""
        roots = [self._take(inner) for inner in self._inside(data)]
        made = Made()
        for root in roots:
            made.add(None, root)
        return made if made.parts else DATA

    def _take(self, inner: Contents) -> Any:
        self.modules |= inner.modules
        self.functions |= inner.functions
        self.files |= inner.files
        return inner.root


def _absolute(name: str, package: Any = None) -> str:
    if not name.startswith("."):
        return name
    try:
        return resolve_name(name, package if isinstance(package, str) else "")
    except ImportError as exc:
        raise ValueError(f"{name} leads out of {package}") from exc


def _maker(function: Any, arguments: tuple[Any, ...]) -> Global | None:
    """Return what tells whose an object is: its class, where a helper of Python's own makes it."""
    if isinstance(function, Global) and function.makes_code:
        return function
    candidates = (function, *arguments[:1])
    named = (one for one in candidates if isinstance(one, Global) and not one.is_picklers_own)
    return next((one for one in named if not is_standard(one.module)), None)


def _code_places(arguments: tuple[Any, ...]) -> Iterator[Place]:
    """Yield the place that the arguments of a code object name: its first line is the first number after its file."""
    for at, argument in enumerate(arguments):
        cell = _CELL.fullmatch(argument) if isinstance(argument, str) else None
        line = next((a for a in arguments[at:] if isinstance(a, int)), None)
        if cell and line:
            yield Place(int(cell[1]), line)


_SPECIAL: dict[str, Callable[[_Machine, Any], None]] = {
    "PROTO": _Machine.protocol,
    "MARK": _Machine.mark,
    "STOP": _Machine.stop,
    "POP": _Machine.pop,
    "DUP": _Machine.duplicate,
    "MEMOIZE": _Machine.memoize,
    "GLOBAL": _Machine.global_,
    "STACK_GLOBAL": _Machine.stack_global,
    "INST": _Machine.instance,
    "OBJ": _Machine.object_,
    "NEWOBJ_EX": _Machine.new_with_names,
    "BUILD": _Machine.build,
    "LIST": _Machine.list_to_mark,
    "FROZENSET": _Machine.list_to_mark,
    "DICT": _Machine.dict_to_mark,
    "APPEND": _Machine.append,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items_to_mark,
    "TUPLE": _Machine.tuple_to_mark,
    "EMPTY_TUPLE": lambda machine, _: machine.tuple_of(0),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "BINPERSID": _Machine.persistent,
    "PERSID": _Machine.container,
    **dict.fromkeys(("APPENDS", "ADDITEMS"), _Machine.append_to_mark),
    **dict.fromkeys(("EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET"), _Machine.container),
    **dict.fromkeys(("BINBYTES", "BINBYTES8", "SHORT_BINBYTES", "BYTEARRAY8"), _Machine.bytes_),
    "NEXT_BUFFER": _Machine.next_buffer,
    "READONLY_BUFFER": lambda *_: None,  # it stays what it is
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.reduce),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    **dict.fromkeys(("EXT1", "EXT2", "EXT4"), _Machine.extension),
}
