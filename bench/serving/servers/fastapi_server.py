"""What a person writes in an afternoon: FastAPI, pydantic, scikit-learn, V2's path.

Run by .venv-bench's Python: `fastapi_server.py KIND PORT`.
"""

import sys

import numpy as np
import uvicorn
from estimators import fitted
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = fitted(sys.argv[1])


class Input(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    inputs: list[Input]


class Output(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[str]


class Response(BaseModel):
    model_name: str
    outputs: list[Output]


@app.get("/v2/models/iris/ready")
def ready() -> dict[str, bool]:
    return {"ready": True}


@app.post("/v2/models/iris/infer")
async def infer(request: Request) -> Response:
    given = request.inputs[0]
    labels = model.predict(np.array(given.data).reshape(given.shape)).tolist()
    output = Output(name="label", shape=[len(labels)], datatype="BYTES", data=labels)
    return Response(model_name="iris", outputs=[output])


if __name__ == "__main__":
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[2]), access_log=False, log_level="warning", loop="uvloop", http="httptools"
    )
