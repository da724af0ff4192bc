"""The model in BentoML: `async` answered more than threads did, and adaptive batching less than none."""

import os

import bentoml
from bentoml.exceptions import InvalidArgument
from model import predictor, predictor_batch, validator


@bentoml.service(workers=int(os.environ["WORKERS"]))
class Kmeans:
    @bentoml.api
    async def predict(self, sample: list[float]) -> int:
        if not validator(sample):
            raise InvalidArgument("two coordinates are expected")
        return int(predictor(sample))

    @bentoml.api
    async def predict_batch(self, samples: list[list[float]]) -> list[int]:
        if not all(map(validator, samples)):
            raise InvalidArgument("two coordinates are expected")
        return predictor_batch(samples).tolist()
