"""The model as MLflow's scoring server loads it: a function of Python, from code."""

from mlflow.models import set_model
from mlflow.pyfunc import PythonModel
from model import predictor_batch, validator


class Scorer(PythonModel):
    def predict(self, context, model_input, params=None):
        if not all(map(validator, model_input)):
            raise ValueError("two coordinates are expected")
        return predictor_batch(model_input)


set_model(Scorer())
