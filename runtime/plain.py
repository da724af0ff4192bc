"""The plain protocol: a JSON sample in, the bare JSON answer out; a JSON array or JSON lines of them in a batch."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Union

from nbslim.runtime.decode import KINDS, DecodeError, Decoder
from nbslim.runtime.encode import EncodeError, encode
from nbslim.runtime.inflate import ACCEPTED, TooLargeError, UnsupportedEncodingError, inflate
from nbslim.runtime.problems import JSON, Problem, Response
from nbslim.runtime.schema import mismatch
from nbslim.runtime.scoring import Outcome
from nbslim.runtime.settings import Settings

LINES = "application/x-ndjson"
_LINES = {
    LINES,
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/jsonlines",
}
_log = logging.getLogger("nbslim.runtime")


def is_lines(content_type: str) -> bool:
    """Return whether a Content-Type says that a body is JSON lines; that it is JSON is never believed."""
    return content_type.partition(";")[0].strip().lower() in _LINES


class Reader:
    """Reads samples from bodies, within the settings' limits; raises Problem where a body is none.

    Where there is a schema, samples must fit it.
    """

    def __init__(self, settings: Settings, schema: Mapping[str, object] | None = None) -> None:
        self._decoder = Decoder(max_depth=settings.max_depth, nan=settings.nan)
        self._limit = settings.max_body
        self._schema = schema

    def sample(self, body: bytes, encoding: str = "") -> object:
        """Return the sample that `body` is, compressed as `encoding` (Content-Encoding) says."""
        sample = self._value(self._inflated(body, encoding))
        problem = None if self._schema is None else self._unlike(sample)
        if problem is not None:
            raise problem
        return sample

    def batch(self, body: bytes, encoding: str = "") -> list[object]:
        """Return the samples of a JSON array, or a problem in the place of one that is none."""
        samples = self._value(self._inflated(body, encoding))
        if not isinstance(samples, list):
            raise Problem(
                400, "not-a-batch", "The body is not a batch", "the body is not an array of samples"
            )
        return samples if self._schema is None else [self._unlike(sample) or sample for sample in samples]

    def line(self, line: bytes) -> object:
        """Return the sample on a line of JSON lines, which has the limit of a body."""
        if len(line) > self._limit:
            raise _too_large(f"a line may have {self._limit} bytes at most")
        return self.sample(line)

    def lines(self, body: bytes, encoding: str = "") -> list[bytes]:
        """Return the lines of JSON lines; blank ones are none."""
        return [line for line in self._inflated(body, encoding).split(b"\n") if line.strip()]

    def _value(self, body: bytes) -> object:
        try:
            return self._decoder.decode(body)
        except DecodeError as error:
            raise _unreadable(error) from None

    def _inflated(self, body: bytes, encoding: str) -> bytes:
        try:
            return inflate(body, encoding, self._limit) if encoding else body
        except UnsupportedEncodingError as error:
            title = "The body's encoding is not known here"
            raise Problem(
                415, "unsupported-encoding", title, str(error), {"Accept-Encoding": ACCEPTED}
            ) from None
        except TooLargeError as error:
            raise _too_large(str(error)) from None
        except DecodeError as error:
            raise _unreadable(error) from None

    def _unlike(self, sample: object) -> Problem | None:
        found = mismatch(self._schema or {}, sample)
        title = "The sample is unlike the samples of this service"
        return Problem(400, "unlike-samples", title, found) if found else None


def _too_large(detail: str) -> Problem:
    return Problem(413, "too-large", "The body is too large", detail)


Result = Union[Outcome, Problem]  # noqa: UP007 - this runs on 3.9, too
"""What became of a row: a problem, where it is no sample."""


def answered(result: Result) -> Response:
    """Return the response for one sample."""
    if isinstance(result, Outcome) and result.answer is not None:
        return Response(200, JSON, result.answer.encode())
    return _problem(result).response()


def answered_all(results: Sequence[Result]) -> Response:
    """Return the response for a JSON array: all answers in order, or one problem that lists the rows without one."""
    answers = [
        result.answer for result in results if isinstance(result, Outcome) and result.answer is not None
    ]
    if len(answers) == len(results):
        return Response(200, JSON, f"[{','.join(answers)}]".encode())
    bad = [(row, _problem(one)) for row, one in enumerate(results) if getattr(one, "answer", None) is None]
    return _batch_problem(bad).response()


def answered_line(result: Result) -> bytes:
    """Return the line of JSON lines that answers one."""
    if isinstance(result, Outcome) and result.answer is not None:
        return f'{{"answer":{result.answer}}}\n'.encode()
    return encode({"error": _problem(result).document()}).encode() + b"\n"


def _batch_problem(bad: Sequence[tuple[int, Problem]]) -> Problem:
    status = max(problem.status for _, problem in bad)
    what = "were refused" if status < 500 else "failed"
    detail = f"rows that {what}: {len(bad)}, the first of them row {bad[0][0]}; no row's answer is given"
    problem = Problem(status, "batch-refused" if status < 500 else "batch-failed", f"Rows {what}", detail)
    problem.members["rows"] = [
        {"row": row, "type": one.type, "title": one.title, "detail": one.detail} for row, one in bad
    ]
    return problem


def _problem(outcome: Result) -> Problem:
    """Return the problem of a sample without an answer, and log why; the client does not learn what was raised."""
    if isinstance(outcome, Problem):
        return outcome
    if outcome.error is None:
        return Problem(400, "refused", "The sample was refused", "the validator does not accept this sample")
    _log.error("the %s raised", outcome.step, exc_info=outcome.error)
    if isinstance(outcome.error, EncodeError):
        return Problem(500, "not-encodable", "The answer cannot be written as JSON", str(outcome.error))
    detail = f"the {outcome.step} raised {type(outcome.error).__name__}; the log holds the traceback"
    return Problem(500, f"{outcome.step}-failed", f"The {outcome.step} failed", detail)


def _unreadable(error: DecodeError) -> Problem:
    return Problem(400, error.kind, KINDS[error.kind], f"the body is not accepted: {error}")
