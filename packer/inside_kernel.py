"""Runs in the notebook's kernel: name code after its cells, record calls, and write the bundle at the end.

Nothing of this enters the notebook's namespace or the pickle: all names live in this module, and one recording
function in `builtins` for as long as cells run.
"""

from __future__ import annotations

import abc
import ast
import builtins
import contextlib
import copy
import dis
import io
import itertools
import json
import os
import pickle
import sys
import traceback
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import cloudpickle
from cloudpickle.cloudpickle import _DYNAMIC_CLASS_TRACKER_BY_CLASS, _DYNAMIC_CLASS_TRACKER_BY_ID
from nbslim.packer.inside_batched import Form, batched_form
from nbslim.packer.inside_proof import proved
from nbslim.runtime.buffers import FILE as BUFFERS
from nbslim.runtime.buffers import LEAST, write_buffers
from nbslim.runtime.bundle import BATCHES, PICKLE, SAMPLES
from nbslim.runtime.decode import DecodeError, decode
from nbslim.runtime.effects import Effect
from nbslim.runtime.encode import EncodeError, encode
from nbslim.runtime.scoring import EntryPoints, score

RECORDER = "__nbslim_record__"
ENTRIES = ("predictor", "validator", "predictor_batch")


class Recorder(ast.NodeTransformer):
    """Turn a cell's own calls `predictor(x)` into recorded ones; bodies of functions and classes stay untouched."""

    def __init__(self, entry: str) -> None:
        self.entry = entry
        self.inputs: list[Any] = []

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        """Leave definitions as they are: what the notebook defines may be pickled."""
        return node

    visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = visit_FunctionDef  # noqa: N815 -- ast's own names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Hand the function and its one argument to the recorder."""
        self.generic_visit(node)
        one_sample = len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred)
        if isinstance(node.func, ast.Name) and node.func.id == self.entry and one_sample:
            recorder = ast.copy_location(ast.Name(RECORDER, ast.Load()), node)
            return ast.copy_location(ast.Call(recorder, [node.func, *node.args], []), node)
        return node

    def record(self, function: Callable[[Any], Any], sample: Any) -> Any:
        """Call `function`, and keep a copy of what it was given, as it was before."""
        with contextlib.suppress(Exception):  # what cannot be copied cannot be sent as JSON either
            self.inputs.append(copy.deepcopy(sample))
        return function(sample)


class CellNames:
    """Name the code of each cell `<cell N>`; the kernel's own names are temporary files that differ in each run."""

    def __init__(self, cells: list[list[Any]], otherwise: Callable[..., str]) -> None:
        self.waiting = [(number, source) for number, source in cells]
        self.otherwise = otherwise

    def __call__(self, raw_code: str, transformed_code: str, number: int) -> str:
        """Return the name for the code of the next waiting cell with this source."""
        for position, (cell, source) in enumerate(self.waiting):
            if source == raw_code:
                del self.waiting[: position + 1]
                return f"<cell {cell}>"
        return self.otherwise(raw_code, transformed_code, number)


def set_up(shell: Any, cells: list[list[Any]], entry: str | None) -> Recorder | None:
    """Prepare the kernel for `cells`, (number, source) in the order in which they will run; calls of `entry` count."""
    shell.compile.get_code_name = CellNames(cells, shell.compile.get_code_name)
    if entry is None:
        return None
    recorder = Recorder(entry)
    shell.ast_transformers.append(recorder)
    setattr(builtins, RECORDER, recorder.record)
    return recorder


def failure(cell: int) -> dict[str, Any]:
    """Return the innermost line of `cell` in the traceback of the exception that ended it, or None."""
    name, error = f"<cell {cell}>", getattr(sys, "last_value", None)
    if isinstance(error, SyntaxError) and error.filename == name:
        return {"line": error.lineno}
    frames = traceback.extract_tb(getattr(sys, "last_traceback", None))
    lines = [frame.lineno for frame in frames if frame.filename == name]
    return {"line": lines[-1] if lines else None}


def finish(shell: Any, names: Sequence[str], folder: str, own_folder: str) -> dict[str, Any]:
    """Write the entry points `names`, of which the first must be there, pickled into `folder`.

    Returns a JSON-able report.
    """
    entries = entry_points(shell, names)
    not_callable = [name for name, value in entries.items() if not callable(value)]
    if not_callable or names[0] not in entries:
        return {"error": "entry", "names": not_callable or [names[0]]}
    return _write(entries, folder) or {"modules": _local_modules(own_folder)}


def seal(shell: Any, names: Sequence[str], effects: Sequence[Sequence[Any]], folder: str) -> dict[str, Any]:
    """Write the entry points again, behind the changes `effects`, each as its cell, its line and its Python.

    All is one pickle: what both hold is one object. Returns a JSON-able report.
    """
    return _write({**_made(shell, effects), **entry_points(shell, names)}, folder)


def _made(shell: Any, effects: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return what makes the changes when it is loaded."""
    made = [Effect(_function(shell, cell, line, code)) for cell, line, code in effects]
    return {"effects": made} if made else {}


def _function(shell: Any, cell: int, line: int, code: str) -> Callable[[], Any]:
    """Return a function of the notebook that does what `code` does in the cell."""
    module = ast.parse("def effect(): pass")
    cast(ast.FunctionDef, module.body[0]).body = ast.parse(code).body
    made: dict[str, Any] = {}
    exec(compile(ast.increment_lineno(module, line - 1), f"<cell {cell}>", "exec"), shell.user_ns, made)
    return cast(Callable[[], Any], made["effect"])


def _write(values: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """Pickle `values` into `folder`; returns what is wrong, if anything is."""
    buffers: list[memoryview] = []
    try:
        pickled = _dumps(values, buffers)
    except Exception as error:  # a value's own __reduce__ may raise anything
        return _unpicklable(values, error)
    Path(folder, PICKLE).write_bytes(pickled)
    write_buffers(Path(folder, BUFFERS), buffers)
    return {}


def entry_points(shell: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return those of `names` that the notebook has defined, with their values."""
    return {name: shell.user_ns[name] for name in names if shell.user_ns.get(name) is not None}


def answer(
    shell: Any, recorder: Recorder, effects: Sequence[Sequence[Any]], given: str, folder: str, aside: str
) -> dict[str, Any]:
    """End recording, and write all samples with the answers of the notebook's own objects into `folder`.

    `given` is a file with more of them, as a JSON list. The entry points in `folder` are written before anything is
    scored, and so are, in `aside`, those with another batched form, which take their place where they are proved.
    """
    shell.ast_transformers.remove(recorder)
    delattr(builtins, RECORDER)
    declared = shell.user_ns.get("samples")
    declared = list(declared) if isinstance(declared, (list, tuple)) else []
    more = json.loads(Path(given).read_text(encoding="utf-8"))
    entries = entry_points(shell, ENTRIES)
    form = batched_form(entries, shell.user_ns)
    form = _beside(form, {**_made(shell, effects), **entries}, aside)
    report, records = _answer(entries, declared + recorder.inputs + more, folder)
    decided = proved(form, EntryPoints(entries["predictor"], entries.get("validator")), records)
    if (form.form, decided.form) in {("derived", "derived"), ("defined", "looped")}:
        _replace(folder, aside)
    if getattr(decided.function, "mixed", False):
        Path(folder, BATCHES).write_text('{"mixed": true}\n')
    return {**report, "batch": [decided.form, decided.reason, form.form == "defined"]}


def _beside(form: Form, values: Mapping[str, Any], aside: str) -> Form:
    """Write `values` into `aside` with the derived form, or without the one that the notebook defines."""
    others = {name: value for name, value in values.items() if name != "predictor_batch"}
    if form.form == "derived":
        others["predictor_batch"] = form.function
    problem = _write(others, aside) if form.function else {}
    return Form("looped", reason=f"it cannot be pickled: {problem['message']}") if problem else form


def _replace(folder: str, aside: str) -> None:
    """Put the files of `aside` in the place of what `folder` holds besides the samples."""
    for old in Path(folder).iterdir():
        if old.name != SAMPLES:
            old.unlink()
    for new in Path(aside).iterdir():
        new.replace(Path(folder, new.name))


class Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]  # it has no types
    """Makes strings of the annotations of what the notebook defines, wherever it lies: they keep nothing alive then.

    A pickled function or class carries the values of its annotations, and loading it would import their modules.
    The environment's variables are those of the process that loads, and never written down. Nothing that is another
    one in each process is written down either, or no two runs of a notebook would be one image.
    """

    def reducer_override(self, value: Any) -> Any:
        """Reduce a function or class as cloudpickle does, without what only its annotations name."""
        if value is os.environ:
            return getattr, (os, "environ")
        if _is_own_function(value) or _is_plain_class(value):
            value.__annotations__ = _as_strings(value.__annotations__)
        if isinstance(value, (type, TypeVar)) and value.__module__ == "__main__":
            _identify(value)
        reduced = super().reducer_override(value)
        plain = reduced is NotImplemented and type(value) not in self.dispatch_table
        return _without_addresses(value) if plain else reduced


def _identify(kind: Any) -> None:
    """Give a class of the notebook the same identifier in each run, before cloudpickle draws one at random."""
    if kind in _DYNAMIC_CLASS_TRACKER_BY_CLASS:
        return
    name = getattr(kind, "__qualname__", kind.__name__)
    identifiers = (uuid.uuid5(uuid.NAMESPACE_OID, f"{name} {number}").hex for number in itertools.count())
    free = next(one for one in identifiers if one not in _DYNAMIC_CLASS_TRACKER_BY_ID)
    _DYNAMIC_CLASS_TRACKER_BY_CLASS[kind] = free
    _DYNAMIC_CLASS_TRACKER_BY_ID[free] = kind


def _without_addresses(value: Any) -> Any:
    """Reduce an object that keeps the address of what another of its attributes holds, with 0 in its place.

    In the process that loads it, nothing has that address.
    """
    if not _addresses(getattr(value, "__dict__", None)):
        return NotImplemented
    reduced = value.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
    if not isinstance(reduced, tuple) or not (names := _addresses(next(iter(reduced[2:]), None))):
        return reduced
    function, arguments, state, *rest = reduced
    return function, arguments, {**state, **dict.fromkeys(names, 0)}, *rest


def _addresses(state: Any) -> list[str]:
    """Return the names in `state` that end in `id` and hold the address of what another one holds."""
    if not isinstance(state, dict):
        return []
    named = [name for name, kept in state.items() if str(name).endswith("id") and type(kept) is int]
    held = {id(kept) for kept in state.values()} if named else set()
    return [name for name in named if state[name] in held]


def _as_strings(annotations: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: kind if isinstance(kind, str) else getattr(kind, "__name__", repr(kind))
        for name, kind in annotations.items()
    }


def _is_own_function(value: Any) -> bool:
    return isinstance(value, types.FunctionType) and value.__globals__.get("__name__") == "__main__"


def _is_plain_class(kind: Any) -> bool:
    """Tell whether a class has annotations and only the notebook reads them: dataclasses, models and tuples do, too."""
    if type(kind) not in {type, abc.ABCMeta} or kind.__module__ != "__main__":
        return False
    machinery = ("__dataclass_fields__", "__attrs_attrs__", "_fields")
    own = all(base.__module__ in {"__main__", "builtins", "abc"} for base in kind.__mro__)
    return "__annotations__" in vars(kind) and own and not any(hasattr(kind, name) for name in machinery)


def _dumps(value: Any, aside: list[memoryview]) -> bytes:
    """Return the pickle of `value`, whose large buffers go to `aside`."""

    def stays(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes >= LEAST:
            aside.append(raw)
        return raw.nbytes < LEAST

    with io.BytesIO() as file:
        Pickler(file, buffer_callback=stays).dump(value)
        return file.getvalue()


def _answer(
    entries: Mapping[str, Any], inputs: Sequence[Any], folder: str
) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Score every distinct sample as JSON, twice; write the records and return what could not be used and why.

    Returns also the samples that were written, as JSON text, with their records.
    """
    functions = EntryPoints(entries["predictor"], entries.get("validator"))
    texts, unusable = [], []
    for index, value in enumerate(inputs):
        try:
            text = encode(value)
            decode(text.encode())
        except (EncodeError, DecodeError) as error:
            unusable.append([index + 1, str(error)])
        except Exception as error:  # a value may raise anything when it is read
            unusable.append([index + 1, f"{type(error).__name__}: {error}"])
        else:
            texts.append(text)
    texts = list(dict.fromkeys(texts))
    records = [score(functions, json.loads(text)).record(json.loads(text)) for text in texts]
    again = [score(functions, json.loads(text)).record(json.loads(text)) for text in texts]
    stable = [(text, one) for text, one, two in zip(texts, records, again) if one == two]
    lines = [encode(record) + "\n" for _, record in stable]
    Path(folder, SAMPLES).write_text("".join(lines), encoding="utf-8")
    report = {"samples": len(stable), "unstable": len(records) - len(stable), "unusable": unusable}
    return report, stable


def _local_modules(folder: str) -> dict[str, str]:
    """Return the loaded modules whose files lie in `folder`, the notebook's own, as paths relative to it."""
    root = os.path.realpath(folder) + os.sep
    found = {}
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and os.path.realpath(path).startswith(root):
            found[name] = os.path.realpath(path)[len(root) :]
    return found


def _unpicklable(entries: Mapping[str, Any], error: Exception) -> dict[str, Any]:
    for name, value in entries.items():
        chain = _chain(name, value, set())
        if chain:
            return {"error": "pickle", "message": str(error) or type(error).__name__, "chain": chain}
    return {"error": "pickle", "message": str(error) or type(error).__name__, "chain": []}


def _chain(name: str, value: Any, seen: set[int]) -> list[dict[str, Any]]:
    """Return the links from `value` to the deepest part of it that cannot be pickled."""
    if id(value) in seen or _pickles(value):
        return []
    seen.add(id(value))
    code = getattr(value, "__code__", None)
    link: dict[str, Any] = {"name": name, "type": f"{type(value).__module__}.{type(value).__qualname__}"}
    if isinstance(code, types.CodeType):
        link.update(file=code.co_filename, line=code.co_firstlineno)
    for part, inner in _parts(value):
        deeper = _chain(part, inner, seen)
        if deeper:
            return [link, *deeper]
    return [link]


def _pickles(value: Any) -> bool:
    try:
        cloudpickle.dump(value, io.BytesIO())
    except Exception:  # a value's own __reduce__ may raise anything
        return False
    return True


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and value of what is pickled along with `value`."""
    if isinstance(value, types.FunctionType):
        for name in _global_names(value.__code__):
            if name in value.__globals__:
                yield name, value.__globals__[name]
        for name, cell in zip(value.__code__.co_freevars, value.__closure__ or ()):
            yield name, cell.cell_contents
    elif isinstance(value, dict):
        yield from ((str(key), inner) for key, inner in value.items())
    elif isinstance(value, (list, tuple, set, frozenset)):
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value))
    for attribute in ("__self__", "__func__", "func", "args", "keywords", "__wrapped__"):
        if attribute in dir(value):
            yield "." + attribute, getattr(value, attribute)
    for name, inner in (getattr(value, "__dict__", None) or {}).items():
        yield "." + name, inner


def _global_names(code: types.CodeType) -> list[str]:
    names = [step.argval for step in dis.get_instructions(code) if step.opname == "LOAD_GLOBAL"]
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.extend(_global_names(constant))
    return names
