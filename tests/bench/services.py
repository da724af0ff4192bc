"""The services that are measured beside each other: the image's, and others by their production commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ask import Ask
from containers import Started, container
from nbslim.packer.unpack import unpack_archive
from peer import Peer, install, running
from support import Packed

WORKERS = (1, 2)


@dataclass(frozen=True)
class Service:
    """One way to serve the model; `one` asks for a single row, `many` for any number of them."""

    name: str
    workers: int
    start: Callable[[], AbstractContextManager[Started]]
    one: Ask
    many: Ask


_ROW = Ask("/predict", lambda rows: rows[0], lambda answer: [answer])
_ROWS = Ask("/predict/batch", lambda rows: rows, lambda answers: answers)
_MLFLOW = Ask("/invocations", lambda rows: {"inputs": rows}, lambda response: response["predictions"])
_V2 = Ask(
    "/v2/models/kmeans/infer",
    lambda rows: {
        "inputs": [{"name": "samples", "shape": [len(rows), len(rows[0])], "datatype": "FP64", "data": rows}]
    },
    lambda response: response["outputs"][0]["data"],
)

PEERS = (
    # https://flask.palletsprojects.com/deploying/gunicorn: its default worker is the sync one, without an access log.
    Peer("flask", "gunicorn --workers {workers} --bind 127.0.0.1:{port} app:app", _ROW, _ROWS),
    # https://fastapi.tiangolo.com/deployment/server-workers and uvicorn's "Deployment": both leave the access log on.
    Peer("fastapi", "uvicorn app:app --host 127.0.0.1 --port {port} --workers {workers}", _ROW, _ROWS),
    # https://docs.bentoml.com, "Create online API Services" and "Parallelize requests handling".
    Peer(
        "bentoml",
        "bentoml serve service:Kmeans --host 127.0.0.1 --port {port}",
        Ask("/predict", lambda rows: {"sample": rows[0]}, lambda answer: [answer]),
        Ask("/predict_batch", lambda rows: {"samples": rows}, lambda answers: answers),
        variables={"WORKERS": "{workers}"},
    ),
    # https://mlflow.org/docs/latest/ml/deployment: FastAPI is its server now, MLServer's integration is deprecated.
    Peer(
        "mlflow",
        "mlflow models serve --model-uri saved --host 127.0.0.1 --port {port} --workers {workers} --env-manager local",
        _MLFLOW,
        _MLFLOW,
        prepare=("python", "save.py"),
    ),
    # https://docs.seldon.ai/mlserver: a pool of 0 workers is the server's own process, and faster than one of 1.
    Peer(
        "mlserver",
        "mlserver start .",
        _V2,
        _V2,
        variables={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{second_port}",
            "MLSERVER_METRICS_PORT": "{third_port}",
            "MLSERVER_PARALLEL_WORKERS": "{pool}",
        },
    ),
)
FORMS = {"nbslim": {}, "nbslim, 2 ms window": {"NBSLIM_BATCH_WINDOW_MS": "2"}}
"""The image's service, and what its environment has besides the image's."""
NAMES = ("nbslim", *(peer.name for peer in PEERS))


def services(image: Packed, names: Sequence[str], folder: Path) -> Iterator[Service]:
    """Yield those of NAMES that are in `names`, with each number of workers; what they need is laid in `folder`."""
    if "nbslim" in names:
        tree = folder / "nbslim"
        tree.mkdir()
        unpack_archive(image.archive, tree)
        for form, variables in FORMS.items():
            for workers in WORKERS:
                own = {**variables, "NBSLIM_WORKERS": str(workers)}
                yield Service(form, workers, partial(container, tree, own), _ROW, _ROWS)
    for peer in PEERS:
        if peer.name in names:
            installed = install(peer, image, folder / peer.name)
            for workers in WORKERS:
                yield Service(peer.name, workers, partial(running, installed, workers), peer.one, peer.many)
