"""The model in Flask."""

from flask import Flask, abort, jsonify, request
from model import predictor, predictor_batch, validator

app = Flask(__name__)


@app.post("/predict")
def predict():
    sample = request.get_json()
    if not validator(sample):
        abort(400)
    return jsonify(int(predictor(sample)))


@app.post("/predict/batch")
def predict_batch():
    samples = request.get_json()
    if not all(map(validator, samples)):
        abort(400)
    return jsonify(predictor_batch(samples).tolist())
