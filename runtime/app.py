"""Speak the plain protocol: a JSON sample in, the bare JSON answer out, problem documents for errors."""

from __future__ import annotations

import logging

import falcon
from nbslim.runtime.decode import DecodeError, decode
from nbslim.runtime.encode import EncodeError, encode
from nbslim.runtime.metrics import CONTENT_TYPE, collect, exposition
from nbslim.runtime.scoring import EntryPoints, Outcome, as_served

_log = logging.getLogger("nbslim.runtime")


class Problem(falcon.HTTPError):
    """An error of this service with a stable type of its own, as RFC 9457 wants it."""

    def __init__(self, status: int, kind: str, title: str, detail: str) -> None:
        super().__init__(status, title=title, description=detail)
        self.type = f"urn:nbslim:{kind}"


def create_app(entry_points: EntryPoints) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the WSGI application that serves `entry_points` (a bundle, for one)."""
    app = falcon.App()
    app.add_route("/predict", _Predict(entry_points))
    app.add_route("/healthz", _Status())
    app.add_route("/readyz", _Status())
    app.add_route("/metrics", _Metrics())
    app.set_error_serializer(_write_problem)
    return app


class _Predict:
    def __init__(self, entry_points: EntryPoints) -> None:
        self._score = as_served(entry_points)

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        # The raw body: clients such as curl -d send a form's Content-Type with their JSON.
        try:
            sample = decode(request.bounded_stream.read())
        except DecodeError as error:
            detail = f"the body is not a JSON value: {error}"
            raise Problem(400, "not-json", "The body is not JSON", detail) from None
        response.text = _answer(self._score(sample))


class _Status:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        response.text = '{"status":"ok"}'


class _Metrics:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        response.content_type = CONTENT_TYPE
        response.text = exposition(collect())


def _answer(outcome: Outcome) -> str:
    if outcome.error is not None:
        raise _failure(outcome.error, outcome.step or "")
    if outcome.answer is None:
        raise Problem(400, "refused", "The sample was refused", "the validator does not accept this sample")
    return outcome.answer


def _failure(error: BaseException, step: str) -> Problem:
    """Log `error` and return what the client may know: the exception's message may hold paths and data."""
    _log.error("the %s raised", step, exc_info=error)
    if isinstance(error, EncodeError):
        return Problem(500, "not-encodable", "The answer cannot be written as JSON", str(error))
    detail = f"the {step} raised {type(error).__name__}; the log holds the traceback"
    return Problem(500, f"{step}-failed", f"The {step} failed", detail)


def _write_problem(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    problem = {
        "type": error.type if isinstance(error, Problem) else "about:blank",
        "title": error.title,
        "status": error.status_code,
        "detail": error.description or _detail(request, error),
    }
    response.text = encode(problem)
    response.content_type = "application/problem+json"


def _detail(request: falcon.Request, error: falcon.HTTPError) -> str:
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return f"{request.method} is not possible here; POST a JSON value to /predict, GET anything else"
    if isinstance(error, falcon.HTTPNotFound):
        return f"nothing is served at {request.path}; POST a JSON value to /predict"
    return error.title or ""
