"""Runs in the notebook's kernel: the batched form of its predictor, and whether that gives the predictor's answers."""

from __future__ import annotations

import ast
import json
import linecache
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nbslim.packer.inside_derive import Asking, derive
from nbslim.packer.inside_fit import NotDerivedError
from nbslim.runtime import batched
from nbslim.runtime.batched import Batched, Site
from nbslim.runtime.encode import encode
from nbslim.runtime.scoring import EntryPoints, answer_all, score_all

FEW = 100
"""So many samples are scored in pairs and alone."""

SIZES = (3, 7, 32, 100)
"""Batches of so many rows are tried: another size may be another way to calculate."""

SECONDS = 60
"""No other batch is tried after so long."""

SHOWN = 160
"""So many characters of a sample and of an answer are told."""


@dataclass(frozen=True)
class Form:
    """How batches are scored: `derived`, `defined` by the notebook, or `looped`; then `reason` says why."""

    form: str
    function: Callable[[list[Any]], Sequence[Any]] | None = None
    reason: str | None = None


def batched_form(entries: Mapping[str, Any], namespace: dict[str, Any]) -> Form:
    """Return the batched form that the notebook defines, or else the one that follows from its predictor."""
    if "predictor_batch" in entries:
        return Form("defined", entries["predictor_batch"])
    try:
        return Form("derived", _derived(entries["predictor"], namespace))
    except NotDerivedError as reason:
        return Form("looped", reason=str(reason))


def proved(form: Form, entry_points: EntryPoints, records: Sequence[tuple[str, Mapping[str, Any]]]) -> Form:
    """Return `form`, or the loop where it does not give what the predictor has given.

    `records` are samples as JSON text, each with its line of `samples.jsonl`.
    """
    if form.function is None:
        return form
    answered = [(text, record) for text, record in records if "answer" in record]
    if form.form == "derived":
        reason = _unproved(answered) or _lonely(form.function, answered, entry_points)
        if reason:
            return Form("looped", reason=reason)
    points = replace(entry_points, predictor_batch=form.function)
    end = time.monotonic() + SECONDS
    reason = _difference(points, answered, whole=False) or _difference(points, records, whole=True)
    for batch in _batches(answered):
        if reason or time.monotonic() > end:
            break
        reason = _difference(points, batch, whole=False)
    return Form("looped", reason=reason) if reason else form


def _derived(predictor: Any, namespace: dict[str, Any]) -> Batched:
    """Return the batched form of a function of a cell."""
    name, function = _definition(predictor, namespace)

    def helper(called: str) -> Any:
        try:
            return _definition(namespace.get(called), namespace)[1]
        except NotDerivedError:
            return None

    derived = derive(function, helper)
    steps = _compiled(derived.steps, name, namespace)
    return Batched(steps, tuple(_site(one, name, namespace) for one in derived.sites))


def _definition(predictor: Any, namespace: dict[str, Any]) -> tuple[str, Any]:
    """Return the name of the cell that defines `predictor`, and the syntax of the definition."""
    own = isinstance(predictor, types.FunctionType) and predictor.__globals__ is namespace
    if not own or not predictor.__code__.co_filename.startswith("<cell "):
        raise NotDerivedError("predictor is not a function that a cell defines")
    code = predictor.__code__
    if code.co_freevars:
        raise NotDerivedError("predictor is made by another function")
    tree = ast.parse("".join(linecache.getlines(code.co_filename)))
    kinds = (ast.Lambda,) if code.co_name == "<lambda>" else (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        one for one in ast.walk(tree) if isinstance(one, kinds) and _first_line(one) == code.co_firstlineno
    ]
    if len(found) != 1:
        raise NotDerivedError("predictor's source is not to be found")
    return code.co_filename, found[0]


def _first_line(node: Any) -> int:
    """Return the line at which a function's code begins: that of its first decorator."""
    return min(int(one.lineno) for one in (node, *getattr(node, "decorator_list", ())))


def _site(asking: Asking, name: str, namespace: dict[str, Any]) -> Site:
    if isinstance(asking.pick, str):
        pick = getattr(batched, asking.pick)
    else:
        pick = eval(compile(ast.fix_missing_locations(ast.Expression(asking.pick)), name, "eval"), namespace)
    return Site(_compiled(asking.ask, name, namespace), pick, asking.by_column)


def _compiled(function: ast.FunctionDef, name: str, namespace: dict[str, Any]) -> Any:
    """Return the function as if the cell `name` had defined it."""
    made: dict[str, Any] = {}
    exec(compile(ast.Module([function], []), name, "exec", dont_inherit=True), namespace, made)
    return made[function.name]


def _unproved(answered: Sequence[tuple[str, Mapping[str, Any]]]) -> str | None:
    """Return why the answers could not show that each row gets its own."""
    if len(answered) < 2:
        return "fewer than two samples have an answer to prove it with"
    if len({encode(record["answer"]) for _, record in answered}) == 1:
        return "all samples have the same answer, which does not prove that each row gets its own"
    return None


def _lonely(function: Any, answered: Sequence[tuple[str, Any]], entry_points: EntryPoints) -> str | None:
    """Return that nothing is won where no question is asked for two rows."""
    most = [0]

    def counting(ask: Callable[..., Any]) -> Callable[..., Any]:
        def counted(rows: list[Any], *rest: Any) -> Any:
            most[0] = max(most[0], len(rows))
            return ask(rows, *rest)

        return counted

    sites = tuple(replace(site, ask=counting(site.ask)) for site in function.sites)
    points = replace(entry_points, predictor_batch=replace(function, sites=sites))
    # Twice: what makes rows alike is not known here, but two that are the same are.
    reason = _difference(points, [*answered, *answered], whole=False)
    return reason or ("the rows of a batch cannot be asked about together" if most[0] < 2 else None)


def _batches(answered: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield samples in other company: backwards, in pairs, alone, and in larger numbers."""
    few = answered[:FEW]
    if not answered:
        return
    yield answered[::-1]
    yield from (list(pair) for pair in zip(few, [*few[1:], few[0]]))
    yield from ([one] for one in few)
    for size in SIZES:
        yield [answered[place % len(answered)] for place in range(size)]


def _difference(entry_points: EntryPoints, batch: Sequence[tuple[str, Any]], *, whole: bool) -> str | None:
    """Return what differs from the records where `batch` is scored as one; `whole`: with what is refused or raises."""
    samples = [json.loads(text) for text, _ in batch]
    if whole:
        outcomes = score_all(entry_points, samples)
        wrong = (record for outcome, (_, record) in zip(outcomes, batch) if not outcome.agrees_with(record))
        return next(
            (f"the outcome of {_short(encode(record['input']))} is another" for record in wrong), None
        )
    try:
        for sample in samples:
            if entry_points.validator is not None:
                entry_points.validator(sample)
        assert entry_points.predictor_batch is not None
        answers = [encode(answer) for answer in answer_all(entry_points.predictor_batch, samples)]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # `sys.exit()` in a notebook's function is its answer
        return f"a batch of samples raises {type(error).__name__}: {_short(str(error))}"
    for answer, (_, record) in zip(answers, batch):
        alone = encode(record["answer"])
        if answer != alone:
            given = _short(encode(record["input"]))
            return f"{given} gets {_short(answer)} in a batch, and {_short(alone)} alone"
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
