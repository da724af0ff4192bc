"""The WSGI application: every route of the service."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

import falcon
from nbslim.runtime.bundle import Bundle
from nbslim.runtime.documents import DOCUMENTS
from nbslim.runtime.metrics import CONTENT_TYPE, exposition
from nbslim.runtime.problems import Problem, Response
from nbslim.runtime.service import Service


def create_app(service: Service) -> falcon.App[falcon.Request, falcon.Response]:
    """Return the application that answers for `service`."""
    app = falcon.App()
    app.req_options.strip_url_path_trailing_slash = False
    app.add_route("/predict", _Predict(service))
    app.add_route("/predict/batch", _PredictBatch(service))
    app.add_route("/healthz", _Health())
    app.add_route("/readyz", _Readiness(service))
    app.add_route("/metrics", _Metrics(service))
    for path, document in DOCUMENTS.items():
        app.add_route(path, _Document(service, document))
    app.set_error_serializer(_write_problem)
    return app


class _Predict:
    def __init__(self, service: Service) -> None:
        self._service = service

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        body = request.bounded_stream.read()
        _write(response, self._service.predict(body, _encoding(request)))


class _PredictBatch:
    def __init__(self, service: Service) -> None:
        self._service = service

    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        body = request.bounded_stream.read()
        answer = self._service.predict_batch(body, _encoding(request), request.content_type or "")
        _write(response, answer)


class _Health:
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        response.text = '{"status":"ok"}'

    on_head = on_get


class _Readiness:
    def __init__(self, service: Service) -> None:
        self._service = service

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        _write(response, self._service.readiness())

    on_head = on_get


class _Metrics:
    def __init__(self, service: Service) -> None:
        self._service = service

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        response.content_type = CONTENT_TYPE
        response.text = exposition(self._service.figures)

    on_head = on_get


class _Document:
    """What is told of the bundle; made when it is first asked for."""

    def __init__(self, service: Service, make: Callable[..., Response]) -> None:
        self._service = service
        self._make = make
        self._made: Response | None = None

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:  # noqa: ARG002 - falcon's signature
        bundle = self._service.entry_points
        if self._made is None and isinstance(bundle, Bundle):
            self._made = self._make(bundle, enforced=self._service.settings.like_samples)
        if self._made is None:
            response.set_header("Refresh", "2")  # a browser that came too early asks again
        _write(response, self._made or self._service.readiness())

    on_head = on_get


def _encoding(request: falcon.Request) -> str:
    return (request.get_header("Content-Encoding") or "").strip().lower()


def _write(response: falcon.Response, answer: Response) -> None:
    response.status = answer.status
    response.content_type = answer.type
    response.data = answer.body
    response.set_headers(list(answer.headers))


def _write_problem(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    problem = Problem(
        error.status_code,
        "",
        HTTPStatus(error.status_code).phrase,
        error.description or _detail(request, error),
    )
    response.data = problem.response().body
    response.content_type = problem.response().type


def _detail(request: falcon.Request, error: falcon.HTTPError) -> str:
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return f"{request.method} is not possible here; POST samples to /predict or /predict/batch, GET anything else"
    if isinstance(error, falcon.HTTPNotFound):
        return f"nothing is served at {request.path}; POST a JSON value to /predict"
    return error.title or ""
