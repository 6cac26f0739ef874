"""Clients choose what they send; they do not choose how many series Prometheus has to keep."""

import json

from kanarya_contracts.metrics import Edge

STATUSES = (400, 413, 415)
"""What a client's mistake can be counted under, beside what is there from the start."""

REST_EDGES = (Edge.V2_REST, Edge.V1_REST)


def series(asked):
    text = asked.ask("GET", "/metrics").body.decode()
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith(("#", "process_"))}


def test_no_request_makes_a_series_but_by_its_status(client):
    asked = client("mixed")
    before = series(asked)

    for number in range(300):
        word = f"word-{number}"
        tensor = {"name": word, "shape": [number], "datatype": word, "data": [word]}
        kind = {"content-type": f"application/{word}", "x-request-id": word}
        asked.infer(json.dumps({"id": word, "inputs": [tensor], "outputs": [{"name": word}]}).encode())
        asked.infer(json.dumps({word: number}).encode())
        asked.ask("POST", "/v2/models/iris/infer", b"{}", kind)
        asked.ask("POST", f"/v2/models/{word}/infer", b"{}")
        asked.ask("POST", f"/v2/models/iris/versions/{word}/infer", b"{}")
        asked.ask("POST", "/v1/models/iris:predict", json.dumps({"instances": [{word: word}]}).encode())
        asked.ask("POST", "/v2/models/iris/feedback", json.dumps({word: word}).encode())
    grown = series(asked) - before

    allowed = {
        f'kanarya_model_requests_total{{code="{status}",edge="{edge}",model="iris",version="2"}}'
        for edge in REST_EDGES
        for status in STATUSES
    }
    assert grown
    assert grown <= allowed
