"""The fixture's own functions, as every peer's handler finds them beside it."""

import os
from pathlib import Path

import cloudpickle

_functions = cloudpickle.loads(Path(os.environ["BUNDLE"], "entry_points.pickle").read_bytes())
predictor = _functions["predictor"]
validator = _functions["validator"]
_model = predictor.__globals__["kmodel"]


def predictor_batch(rows):
    """Return the answers to `rows` as who writes a handler for this model has them computed: all at once."""
    return _model.predict(rows)
