"""Runs in the notebook's kernel: whether a batched form gives the answers that the predictor gives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbslim.packer.inside_batched import Form
from nbslim.packer.inside_company import as_fraction, as_whole, company
from nbslim.runtime.encode import encode
from nbslim.runtime.scoring import EntryPoints, answer_all, score, score_all

FEW = 100
"""So many samples are scored in pairs and alone."""

SIZES = (3, 7, 32, 100)
"""Batches of so many rows are tried: another size may be another way to calculate."""

SECONDS = 60
"""No other batch is tried after so long."""

SCORING = 10
"""Seconds for which inputs that the notebook does not have are scored, to be tried in batches."""

SHOWN = 160
"""So many characters of a sample and of an answer are told."""


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
    known = reason or form.form == "defined"  # who wrote a form knows what it gets
    like = [] if known else _scored(entry_points, company([json.loads(text) for text, _ in answered]))
    for batch in (*_batches(answered), *_mixtures(answered, like)):
        if reason or time.monotonic() > end:
            break
        reason = _difference(points, batch, whole=False)
    if reason:
        return Form("looped", reason=reason)
    return form if form.form == "defined" else _mixed(form, entry_points, [*answered[:FEW], *like], end)


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


def _mixed(form: Form, entry_points: EntryPoints, records: Sequence[tuple[str, Any]], end: float) -> Form:
    """Return `form` with whole numbers beside fractions, where the predictor answers to 1 and to 1.0 alike."""
    wholes = _scored(entry_points, (as_whole(json.loads(text)) for text, _ in records))
    fractions = _scored(entry_points, (as_fraction(json.loads(text)) for text, _ in wholes))
    told = [encode(record["answer"]) for _, record in wholes]
    if len(set(told)) < 2 or told != [encode(record["answer"]) for _, record in fractions]:
        return form
    mixed = Form(form.form, replace(form.function, mixed=True))  # type: ignore[type-var]  # a Batched, as it is derived
    points = replace(entry_points, predictor_batch=mixed.function)
    together = [one for some in zip(wholes, fractions, records) for one in some]
    batches = (together, *_mixtures(records, wholes))
    wrong = (time.monotonic() > end or _difference(points, batch, whole=False) for batch in batches)
    return form if any(wrong) else mixed


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


def _scored(entry_points: EntryPoints, inputs: Iterable[Any]) -> list[tuple[str, Any]]:
    """Return those of `inputs` that have an answer, as samples are, for as long as there is time."""
    end = time.monotonic() + SCORING
    records = []
    for text in dict.fromkeys(map(json.dumps, inputs)):
        if time.monotonic() > end:
            break
        record = score(entry_points, json.loads(text)).record(json.loads(text))
        if "answer" in record:
            records.append((text, record))
    return records


def _mixtures(answered: Sequence[Any], like: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield samples beside inputs that the notebook does not have, and these among themselves."""
    if not like:
        return
    yield [*answered[:FEW], *like]
    yield from ([one, like[place % len(like)]] for place, one in enumerate(answered[:FEW]))
    for size in SIZES:
        yield from (like[start : start + size] for start in range(0, len(like), size))


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
