"""The ceiling: a bare ASGI function, ONNX Runtime behind it, no check, counter or error. `asgi_server.py MODEL.onnx PORT`."""

import sys

import numpy as np
import onnxruntime
import orjson
import uvicorn

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
NAME, OUTPUTS = session.get_inputs()[0].name, [session.get_outputs()[0].name]


async def app(scope, receive, send):
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = b'{"ready":true}'
    if scope["method"] == "POST":
        given = orjson.loads(body)["inputs"][0]
        rows = np.array(given["data"], np.float32).reshape(given["shape"])
        labels = session.run(OUTPUTS, {NAME: rows})[0].tolist()
        output = {"name": "label", "datatype": "BYTES", "shape": [len(labels)], "data": labels}
        answer = orjson.dumps({"model_name": "iris", "outputs": [output]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[2]),
        access_log=False,
        log_level="warning",
        loop="uvloop",
        http="httptools",
        lifespan="off",
    )
