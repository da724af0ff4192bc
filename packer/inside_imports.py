"""Reads from bytecode what code imports; runs in the draft tree, on the image's own Python."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator, Sequence
from types import CodeType

BY_NAME = frozenset({"import_module", "__import__", "attach", "LazyLoader", "_LazyModule", "lazy_import"})
"""What is given names of modules as texts: importlib's functions, and those of packages that load lazily."""

_CAUGHT = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})

_Stretch = tuple[int, int]
"""First offset in the bytecode, and the first one behind."""


def imported(code: CodeType, package: str) -> Iterator[tuple[str, bool]]:
    """Yield the full names that `code`, of a module of `package`, imports, and whether it does without them.

    Not all of them are modules: `from a import b` gives `a` and `a.b`. Functions that `code` defines are not read.
    """
    statements = list(_statements(code))
    skipped = _never_run(code) if statements else []
    guarded = _catching(code, [offset for offset, *_ in statements]) if statements else []
    for offset, level, name, names in statements:
        if _within(offset, skipped):
            continue
        optional = _within(offset, guarded)
        full = absolute(name, level, package)
        yield full, optional
        yield from ((f"{full}.{one}", optional) for one in names if one != "*")
    if BY_NAME.intersection(code.co_names):
        yield from ((name, True) for text in _texts(code.co_consts) for name in _named(text, package))


def absolute(name: str, level: int, package: str) -> str:
    """Return the full name of a module that is imported with `level` leading dots in a module of `package`."""
    parts = package.split(".")
    base = parts[: len(parts) - level + 1] if level else []
    return ".".join([*base, *([name] if name else [])])


def _within(offset: int, stretches: Sequence[_Stretch]) -> bool:
    return any(start <= offset < end for start, end in stretches)


def _statements(code: CodeType) -> Iterator[tuple[int, int, str, Sequence[str]]]:
    """Yield offset, level, name and names of each import statement. By hand: `dis` takes 20 times as long."""
    importing, extended_by = dis.opmap["IMPORT_NAME"], dis.opmap["EXTENDED_ARG"]
    constant, small = dis.opmap["LOAD_CONST"], dis.opmap.get("LOAD_SMALL_INT")
    raw, extended = code.co_code, 0
    loaded: list[object] = [None, None]
    for offset in range(0, len(raw), 2) if importing in raw[::2] else ():
        operation, argument = raw[offset], raw[offset + 1] | extended
        extended = argument << 8 if operation == extended_by else 0
        if operation == constant:
            loaded = [loaded[1], code.co_consts[argument]]
        elif operation == small:
            loaded = [loaded[1], argument]
        elif operation == importing:
            level, names = loaded
            yield (
                offset,
                level if isinstance(level, int) else 0,
                code.co_names[argument],
                names if isinstance(names, tuple) else (),
            )


def _catching(code: CodeType, offsets: Sequence[int]) -> list[_Stretch]:
    """Return the stretches of `code` around some of `offsets` in which an ImportError is caught."""
    handlers = [one for one in _handlers(code) if any(one[0] <= offset < one[1] for offset in offsets)]
    if not handlers:
        return []
    steps = list(dis.get_instructions(code))
    position = {step.offset: index for index, step in enumerate(steps)}
    return [
        (start, end)
        for start, end, target in handlers
        if _catches(steps[position[target] : position[target] + 6])
    ]


def _catches(handler: Sequence[dis.Instruction]) -> bool:
    bare = [step.opname for step in handler[:2]] in (["PUSH_EXC_INFO", "POP_TOP"], ["POP_TOP", "POP_TOP"])
    return bare or any(
        step.argval in _CAUGHT for step in handler if step.opname in {"LOAD_NAME", "LOAD_GLOBAL"}
    )


def _handlers(code: CodeType) -> Iterator[tuple[int, int, int]]:
    """Yield begin and end of each guarded stretch, and where its handler begins."""
    if sys.version_info < (3, 11):
        for step in dis.get_instructions(code):
            if step.opname == "SETUP_FINALLY":
                yield step.offset, step.argval, step.argval
        return
    numbers = iter(code.co_exceptiontable)
    for first in numbers:
        start = _number(first, numbers)
        length, target, _ = (_number(next(numbers), numbers) for _ in range(3))
        yield 2 * start, 2 * (start + length), 2 * target


def _number(first: int, rest: Iterator[int]) -> int:
    """Return the next number of an exception table, as CPython's notes on exception handling describe it."""
    value = first & 63
    while first & 64:
        first = next(rest)
        value = value << 6 | first & 63
    return value


def _never_run(code: CodeType) -> list[_Stretch]:
    """Return the stretches of `code` that only type checkers run, or only a module that is run as a program."""
    if "TYPE_CHECKING" not in code.co_names and "__main__" not in code.co_consts:
        return []
    steps, stretches = list(dis.get_instructions(code)), []
    for index, step in enumerate(steps):
        if step.argval in ("TYPE_CHECKING", "__main__") and step.opname.startswith("LOAD"):
            jump = next((after for after in steps[index + 1 :] if not _leads_to_jump(after)), None)
            if jump is not None and "JUMP" in jump.opname and "IF_FALSE" in jump.opname:
                stretches.append((jump.offset, jump.argval))
    return stretches


def _leads_to_jump(step: dis.Instruction) -> bool:
    """Whether `step` may lie between a name and the jump that it decides: of comparisons, for equality alone."""
    if step.opname == "COMPARE_OP":
        return "==" in str(step.argval)
    return step.opname.startswith("LOAD") or step.opname in {"TO_BOOL", "CACHE"}


def _texts(constants: object) -> Iterator[str]:
    if isinstance(constants, str):
        yield constants
    elif isinstance(constants, (tuple, frozenset)):
        for one in constants:
            yield from _texts(one)


def _named(text: str, package: str) -> Iterator[str]:
    """Yield the modules that a text may name: by its full name, or within the package."""
    name = text.lstrip(".")
    if all(part.isidentifier() for part in name.split(".")):
        yield name
        if package:
            yield f"{package}.{name}"
