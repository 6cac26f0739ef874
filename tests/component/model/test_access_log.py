"""The access log of the real process: a line a request, nothing of a client's in it, nobody held up by it."""

import json
import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime

import grpc
import httpx
import pytest

from kanarya_contracts import records
from kanarya_contracts.names import HEADER_MIRRORED_TO
from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.records import access
from kanarya_model.records.access import NOWHERE, AccessLog, Visit

ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
INFER = "/v2/models/iris/infer"
SECRET = "hunter2-of-a-client"


def lines(server):
    """The log, once the server has stopped."""
    assert server.stop() == 0
    return [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]


def short(line):
    return [line[name] for name in (records.METHOD, records.PATH, records.EDGE, records.STATUS)]


def test_every_request_but_health_and_the_like_has_a_line_in_the_order_of_their_answers(serve, artifact):
    server = serve(artifact, "--version", "7", "--access-log")
    body = json.dumps(ROW).encode()
    sent = {"content-type": "application/json"}

    server.http.get("/v2/health/ready")
    server.http.get("/metrics")
    given = server.http.post(INFER, content=body, headers={**sent, "x-request-id": "from-the-gateway"})
    server.http.post("/v1/models/iris:predict", json={"instances": [[1, 2, 3]]}, headers={HEADER_MIRRORED_TO: "7"})
    server.http.post(f"/v2/models/{SECRET}/infer", json=ROW)
    server.http.get(INFER)
    labels = {"model_version": "7", "predictions": ["setosa"], "labels": ["setosa"]}
    server.http.post("/v2/models/iris/feedback", json=labels)
    written = lines(server)

    assert [short(line) for line in written] == [
        ["POST", INFER, "v2-rest", 200],
        ["POST", "/v1/models/iris:predict", "v1-rest", 400],
        ["POST", None, None, 404],
        ["GET", INFER, "v2-rest", 405],
        ["POST", "/v2/models/iris/feedback", None, 200],
    ]
    assert [line[records.COPY] for line in written] == [False, True, False, False, False]
    first = written[0]
    assert (first[records.MODEL], first[records.VERSION], first[records.REQUEST_ID]) == ("iris", "7", "from-the-gateway")
    assert (first[records.BYTES_IN], first[records.BYTES_OUT]) == (len(body), len(given.content))
    assert 0 < first[records.SECONDS] < 60
    assert abs((datetime.now(UTC) - datetime.fromisoformat(first[records.TIME])).total_seconds()) < 600


def test_a_request_without_a_decent_id_gets_one_that_its_answer_carries(serve, artifact):
    server = serve(artifact, "--access-log")

    answers = [server.http.post(INFER, json=ROW) for _ in range(3)]
    answers.append(server.http.post(INFER, json=ROW, headers={"x-request-id": "a b" * 1000}))
    said = [answer.headers["x-request-id"] for answer in answers]

    assert [line[records.REQUEST_ID] for line in lines(server)] == said
    assert len(set(said)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]+", one) for one in said)


def test_a_call_by_grpc_has_a_line_under_the_status_it_is_counted_by(serve, artifact):
    server = serve(artifact, "--version", "7", "--access-log", "--grpc-port", "0")
    tensor = pb.ModelInferRequest.InferInputTensor(name="X", datatype="FP64", shape=[1, 4])
    tensor.contents.fp64_contents.extend([5.1, 3.5, 1.4, 0.2])
    good = pb.ModelInferRequest(model_name="iris", inputs=[tensor]).SerializeToString()

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        answer = infer(good, metadata=[("x-request-id", "by-grpc")], timeout=60)
        for wrong in (pb.ModelInferRequest(model_name="iris"), pb.ModelInferRequest(model_name="rose", inputs=[tensor])):
            with pytest.raises(grpc.RpcError):
                infer(wrong.SerializeToString(), timeout=60)
    written = lines(server)

    assert [short(line) for line in written] == [
        ["ModelInfer", None, "v2-grpc", 200],
        ["ModelInfer", None, "v2-grpc", 400],
        ["ModelInfer", None, None, 404],
    ]
    assert [written[0][name] for name in (records.REQUEST_ID, records.BYTES_IN, records.BYTES_OUT)] == [
        "by-grpc",
        len(good),
        len(answer),
    ]


def test_the_log_holds_nothing_that_a_client_wrote(serve, artifact):
    server = serve(artifact, "--access-log")
    headers = {"authorization": f"Bearer {SECRET}", "cookie": SECRET, SECRET: SECRET}

    server.http.post(f"{INFER}?key={SECRET}", json={**ROW, "id": SECRET}, headers=headers)
    server.http.post(INFER, json={SECRET: SECRET}, headers=headers)
    server.http.post(f"/{SECRET}", json=ROW, headers=headers)
    written = lines(server)

    assert len(written) == 3
    assert SECRET not in server.log.read_text()


def test_there_is_no_log_unless_it_is_asked_for(serve, artifact):
    server = serve(artifact)

    answer = server.http.post(INFER, json=ROW)

    assert "x-request-id" not in answer.headers
    assert lines(server) == []


def test_a_standard_output_that_nobody_reads_holds_up_neither_requests_nor_the_end(artifact, tmp_path):
    port_file, (reads, writes) = tmp_path / "port", os.pipe()
    command = [sys.executable, "-m", "kanarya_model", "serve", artifact, "--access-log", "--port", "0"]
    process = subprocess.Popen([*command, "--port-file", port_file], stdout=writes, stderr=subprocess.DEVNULL)
    os.close(writes)
    try:
        while not port_file.exists():
            assert process.poll() is None
            threading.Event().wait(0.02)
        with httpx.Client(base_url=f"http://127.0.0.1:{port_file.read_text().strip()}", timeout=60) as http:
            statuses = {http.post(INFER, json=ROW).status_code for _ in range(1000)}
        process.terminate()

        assert statuses == {200}
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reads)


def test_what_cannot_be_written_any_more_is_counted(monkeypatch):
    monkeypatch.setattr(access, "MOST_WAITING", 10)
    begun, go_on = threading.Event(), threading.Event()

    def stuck(content):
        begun.set()
        assert go_on.wait(20)

    log = AccessLog(stuck)
    visit = Visit(0.0, b"id", NOWHERE, "GET", None, False, 404, 0.1, 0, 0)
    log.add(visit)
    assert begun.wait(20)

    for _ in range(25):
        log.add(visit)
    [family] = log.collect()
    go_on.set()
    log.close()

    assert [sample.value for sample in family.samples] == [15]
