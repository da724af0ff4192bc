"""The model as a custom runtime of MLServer, which answered more than its own one for scikit-learn."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import decode_args
from mlserver.errors import InferenceError
from model import predictor_batch, validator


class Scorer(MLModel):
    @decode_args
    async def predict(self, samples: np.ndarray) -> np.ndarray:
        if not all(map(validator, samples)):
            raise InferenceError("two coordinates are expected")
        return predictor_batch(samples)
