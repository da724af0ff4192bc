"""The model in FastAPI: requests are read and answered directly, which took less CPU time than declared types."""

import json

from fastapi import FastAPI, HTTPException, Request, Response
from model import predictor, predictor_batch, validator

app = FastAPI()


@app.post("/predict")
async def predict(request: Request):
    sample = await request.json()
    if not validator(sample):
        raise HTTPException(400)
    return Response(str(predictor(sample)), media_type="application/json")


@app.post("/predict/batch")
async def predict_batch(request: Request):
    samples = await request.json()
    if not all(map(validator, samples)):
        raise HTTPException(400)
    return Response(json.dumps(predictor_batch(samples).tolist()), media_type="application/json")
