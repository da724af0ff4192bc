"""Replay a bundle's samples and compare the answers with the recorded ones."""

from __future__ import annotations

import copy
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbslim.runtime import removed
from nbslim.runtime.bundle import Bundle, BundleError, load_bundle
from nbslim.runtime.encode import encode
from nbslim.runtime.logs import log_to_stderr
from nbslim.runtime.paths import add_distributions
from nbslim.runtime.scoring import Outcome, Served, as_served, expected

TRACEBACK_LINES = 12


@dataclass(frozen=True)
class Failure:
    """Why something raised; `module` names the module that could not be found, if that was behind it."""

    type: str
    message: str
    module: str | None
    traceback: str
    """Its last lines."""


@dataclass(frozen=True)
class Difference:
    """A sample, counted from 0, whose outcome is not the recorded one; `error` says why if it raised."""

    index: int
    expected: Mapping[str, object]
    got: Mapping[str, object]
    error: Failure | None


@dataclass(frozen=True)
class Report:
    """What a replay found; `error` says why the bundle could not be loaded, and then nothing was replayed."""

    samples: int
    equal: int
    differences: tuple[Difference, ...]
    error: Failure | None = None


def replay(bundle: Bundle) -> Report:
    """Score every sample of `bundle` as it is served, alone and in batches; return what is equal and what is not."""
    served = as_served(bundle)
    samples = list(enumerate(bundle.samples))
    outcomes = _in_thread(lambda: list(map(served, _inputs(samples))))
    found = list(_differences(samples, outcomes))
    if bundle.predictor_batch is not None:
        answered = [sample for sample in samples if "answer" in sample[1]]
        found += _batch_differences(served, samples)
        # Where one raises all are scored one by one, and these need not be.
        found += _batch_differences(served, answered) if len(answered) < len(samples) else []
    first = {difference.index: difference for difference in reversed(found)}
    differences = tuple(first[index] for index in sorted(first))
    return Report(len(samples), len(samples) - len(differences), differences)


_Samples = Sequence[tuple[int, Mapping[str, Any]]]


def _batch_differences(served: Served, samples: _Samples) -> list[Difference]:
    """Score `samples` at once; that this fails is a difference of the first where all of them have an answer."""
    reasons: list[BaseException] = []
    outcomes = _in_thread(lambda: served.score_all(_inputs(samples), reasons.append))
    found = list(_differences(samples, outcomes))
    if reasons and all("answer" in record for _, record in samples):
        index, record = samples[0]
        failed = Outcome(error=reasons[0], step="predictor")
        found.append(Difference(index, expected(record), failed.result(), _failure_of(failed)))
    return found


def _inputs(samples: _Samples) -> list[Any]:
    """Return copies, because a predictor may change what it is given, and a bundle can be replayed again."""
    return [copy.deepcopy(record["input"]) for _, record in samples]


def _in_thread(score: Callable[[], list[Outcome]]) -> list[Outcome]:
    """Score in another thread: what holds in the main thread alone does not hold for requests."""
    done: list[list[Outcome]] = []
    thread = threading.Thread(target=lambda: done.append(score()))
    thread.start()
    thread.join()
    if not done:  # scoring catches all else
        raise KeyboardInterrupt
    return done[0]


def _differences(samples: _Samples, outcomes: Sequence[Outcome]) -> Iterator[Difference]:
    for (index, record), outcome in zip(samples, outcomes):
        if not outcome.agrees_with(record):
            yield Difference(index, expected(record), outcome.result(), _failure_of(outcome))


def main(
    arguments: Sequence[str], environ: Mapping[str, str], on_load: Callable[[], None] = lambda: None
) -> int:
    """Replay the bundle named in `arguments`, print the report as a line of JSON, return 0 whatever it found.

    Where stdin holds requests, a line for each response follows as it comes: what crashes loses no earlier one.
    `on_load` is called between loading and the first sample.
    """
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m nbslim.runtime.replay BUNDLE [< REQUESTS]\n")
        return 2
    requests = sys.stdin.read()
    # What the notebook's code prints, from C too and up to the end of the process, goes to stderr.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stdout:
        os.dup2(2, 1)
        log_to_stderr()
        removed.install()
        add_distributions(environ)

        def write(line: object) -> None:
            stdout.write(encode(line) + "\n")
            stdout.flush()

        drained = _replay_folder(Path(arguments[0]), requests, write, on_load)
    if not drained:
        os._exit(0)  # a request that does not end would keep the process
    return 0


def _replay_folder(
    folder: Path, requests: str, write: Callable[[object], None], on_load: Callable[[], None]
) -> bool:
    """Write the report and the responses; return False where a request did not end."""
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        write(Report(0, 0, (), error=_failure(error.__cause__ or error, str(error))))
        return True
    on_load()
    write(replay(bundle))
    if not requests:
        return True
    # Only now: without requests, the standard library is enough.
    from nbslim.runtime.exchanges import Requests, exchange  # noqa: PLC0415 - see above

    return exchange(bundle, Requests.parse(requests), write)


def _failure_of(outcome: Outcome) -> Failure | None:
    return None if outcome.error is None else _failure(outcome.error, str(outcome.error))


def _failure(error: BaseException, message: str) -> Failure:
    lines = "".join(traceback.format_exception(type(error), error, error.__traceback__)).splitlines()
    return Failure(
        type=type(error).__name__,
        message=message,
        module=_missing_module(error),
        traceback="\n".join(lines[-TRACEBACK_LINES:]),
    )


def _missing_module(error: BaseException | None) -> str | None:
    """Return the module behind `error`; libraries like to raise errors of their own where an import fails."""
    while error is not None and not isinstance(error, ModuleNotFoundError):
        error = error.__cause__ or error.__context__
    return error.module if isinstance(error, removed.RemovedModuleError) else getattr(error, "name", None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
