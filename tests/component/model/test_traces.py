"""Spans of the real process, as a real OTLP receiver decodes them."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse

from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build

INFER = "/v2/models/iris/infer"
ROW = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4, 0.2]}]}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"
ERROR = 2


class Collector:
    """An OTLP/HTTP receiver on loopback: what came, decoded."""

    def __init__(self) -> None:
        collector = self
        self.requests: list[ExportTraceServiceRequest] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                answer = ExportTraceServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()
        self.environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.server.server_port}"}

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def spans(self):
        return [span for one in self.requests for part in one.resource_spans for of in part.scope_spans for span in of.spans]

    @property
    def resource(self):
        return attributes(self.requests[0].resource_spans[0].resource)


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.close()


def attributes(of):
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in of.attributes}


def tree(spans):
    """Name → name of the parent, or its id where it is another process's."""
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_span_id, span.parent_span_id.hex()) for span in spans}


def test_a_request_is_a_child_of_its_clients_span_with_what_it_did_below_it(serve, artifact, collector):
    server = serve(artifact, "--version", "7", "--traces", env=collector.environment)

    server.http.post(INFER, json=ROW, headers={"traceparent": SAMPLED})
    server.http.get("/v2/health/ready", headers={"traceparent": SAMPLED})
    server.http.get("/metrics")
    assert server.stop() == 0

    spans = {span.name: span for span in collector.spans}
    request = spans[f"POST {INFER}"]
    assert tree(collector.spans) == {f"POST {INFER}": PARENT, "decode": f"POST {INFER}", "predict": f"POST {INFER}"}
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
    assert attributes(request) == {
        "kanarya.model": "iris",
        "kanarya.version": "7",
        "kanarya.edge": "v2-rest",
        "kanarya.copy": 0,
        "http.request.method": "POST",
        "http.route": INFER,
        "url.path": INFER,
        "http.response.status_code": 200,
    }
    assert attributes(spans["predict"]) == {"kanarya.rows": 1}
    assert request.start_time_unix_nano <= spans["decode"].start_time_unix_nano <= spans["decode"].end_time_unix_nano
    assert spans["decode"].end_time_unix_nano <= spans["predict"].start_time_unix_nano
    assert spans["predict"].end_time_unix_nano <= request.end_time_unix_nano
    assert collector.resource["service.name"] == "kanarya-model"


def test_what_a_thread_does_stays_below_the_request_that_asked(serve, tmp_path, collector):
    server = serve(build(tmp_path / "words", "skops"), "--traces", "--grpc-port", "0", env=collector.environment)
    columns = [("sepal_length", "fp64_contents", [5.1]), ("sepal_width", "fp64_contents", [3.5])]
    columns += [("petal_length", "fp64_contents", [1.4]), ("garden", "bytes_contents", [b"north"])]
    message = pb.ModelInferRequest(model_name="iris")
    for name, member, values in columns:
        kind = "BYTES" if name == "garden" else "FP64"
        tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=kind, shape=[1])
        getattr(tensor.contents, member).extend(values)
        message.inputs.append(tensor)

    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        infer(message.SerializeToString(), metadata=[("traceparent", SAMPLED)], timeout=60)
    assert server.stop() == 0

    call = "inference.GRPCInferenceService/ModelInfer"
    assert tree(collector.spans) == {call: PARENT, "decode": call, "predict": call, "thread": "predict"}
    [request] = [span for span in collector.spans if span.name == call]
    assert attributes(request) == {
        "rpc.system": "grpc",
        "rpc.service": "inference.GRPCInferenceService",
        "rpc.method": "ModelInfer",
        "rpc.grpc.status_code": 0,
        "kanarya.model": "iris",
        "kanarya.version": attributes(request)["kanarya.version"],
        "kanarya.edge": "v2-grpc",
        "kanarya.copy": 0,
    }


def test_a_clients_mistake_is_no_error_of_ours_and_an_overload_is(serve, artifact, collector):
    server = serve(artifact, "--traces", "--most-in-flight", "1", env=collector.environment)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
        slow.sendall(b"POST /v2/models/iris/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n{")
        while server.metric("kanarya_model_requests_in_flight") < 1:
            pass
        busy = server.http.post(INFER, json=ROW)
    while server.metric("kanarya_model_requests_in_flight"):
        pass
    wrong = server.http.post(INFER, json={})
    assert server.stop() == 0

    codes = {attributes(span).get("http.response.status_code"): span.status.code for span in collector.spans if span.kind == 2}
    assert (busy.status_code, wrong.status_code) == (503, 400)
    assert (codes[400], codes[503]) == (0, ERROR)


def test_a_trace_that_its_client_does_not_sample_is_not_sent(serve, artifact, collector):
    server = serve(artifact, "--traces", env=collector.environment | {"OTEL_SERVICE_NAME": "flowers"})

    server.http.post(INFER, json=ROW, headers={"traceparent": NOT_SAMPLED})
    server.http.post(INFER, json=ROW)
    assert server.stop() == 0

    assert len(collector.spans) == 3
    assert TRACE not in {span.trace_id.hex() for span in collector.spans}
    assert collector.resource["service.name"] == "flowers"


def test_a_collector_that_is_not_there_costs_spans_and_nothing_else(serve, artifact):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{free.getsockname()[1]}"
        server = serve(artifact, "--traces", env={"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint})

        statuses = {server.http.post(INFER, json=ROW).status_code for _ in range(20)}

        assert statuses == {200}
        assert server.stop() == 0
