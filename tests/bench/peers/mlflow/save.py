"""Save the scorer as an MLflow model, in the folder `saved`."""

from mlflow.pyfunc import save_model

save_model("saved", python_model="scorer.py", pip_requirements=[])
