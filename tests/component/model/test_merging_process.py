"""A hundred trees behind the real process: requests that wait are merged, and neither health nor a neighbour pays for it."""

import json
import signal
import time
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from kanarya_model.testing import build, estimator

INFER = "/v2/models/iris/infer"
LONG = 400_000
"""Rows that the only thread needs about a second for."""
TOO_LARGE = 1e300
"""A fine FP64, and more than a tree's FP32 holds: scikit-learn raises."""


def as_json(rows):
    tensor = {"name": "X", "shape": [len(rows), 4], "datatype": "FP64", "data": rows.tolist()}
    return json.dumps({"inputs": [tensor]}).encode(), {"Content-Type": "application/json"}


def as_bytes(rows):
    tensor = {"name": "X", "shape": [len(rows), 4], "datatype": "FP64", "parameters": {"binary_data_size": rows.nbytes}}
    output = {"name": "label", "parameters": {"binary_data": True}}
    document = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(document)), "Content-Type": "application/octet-stream"}
    return document + rows.tobytes(), headers


def send(server, request):
    """The connection on which the answer will come."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", INFER, *request)
    return connection


def threads(server):
    return len(list(Path(f"/proc/{server.process.pid}/task").iterdir()))


def in_flight(server):
    return server.metric("kanarya_model_requests_in_flight")


def test_whoever_waits_is_answered_together_as_if_alone_while_health_goes_on_and_who_has_left_is_not_predicted(serve, tmp_path):
    server = serve(build(tmp_path / "forest", "forest"), "--version", "7", "--most-rows", LONG)
    model, table = estimator("forest")
    rows = [table[number : number + 1 + number % 3] for number in range(0, 144, 9)]
    guilty = [3, 11]
    for number in guilty:
        rows[number] = rows[number] + [TOO_LARGE, 0, 0, 0]
    before, lively = threads(server), 0

    with ExitStack() as stack:
        long = stack.enter_context(closing(send(server, as_bytes(np.random.default_rng(0).uniform(0.5, 6, (LONG, 4))))))
        while threads(server) == before:
            time.sleep(0.001)  # until the thread that predicts is there: it starts with its first work
        server.process.send_signal(signal.SIGSTOP)  # so that all of them come while the long one runs, however busy the machine
        send(server, as_json(table[:1])).close()
        asked = [stack.enter_context(closing(send(server, as_json(some)))) for some in rows]
        server.process.send_signal(signal.SIGCONT)
        while in_flight(server):
            assert server.http.get("/v2/health/live").json() == {"live": True}
            lively += 1
        answers = [connection.getresponse() for connection in asked]
        documents = [json.loads(answer.read()) for answer in answers]
        assert long.getresponse().status == 200

    assert lively > 10  # waiting for predictions, it would be let through once or twice
    for number, (some, answer, document) in enumerate(zip(rows, answers, documents, strict=True)):
        if number in guilty:
            assert (answer.status, "sepal_length" in document["error"]) == (400, True)
        else:
            labels, probabilities = (output["data"] for output in document["outputs"])
            assert (answer.status, labels) == (200, model.predict(some).tolist())
            assert probabilities == model.predict_proba(some).ravel().tolist()
    assert server.metric("kanarya_model_batch_requests_count") == 1
    assert server.metric("kanarya_model_batch_requests_sum") == len(rows)
    assert server.metric("kanarya_model_queue_seconds_count") == len(rows) + 1
    answered = LONG + sum(len(some) for number, some in enumerate(rows) if number not in guilty)
    assert server.metric("kanarya_model_predictions_total") == answered
    assert server.metric('kanarya_model_feature_values_total{bin="[0-9]+",feature="sepal_length",.*}') == answered
