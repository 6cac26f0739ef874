"""The real process over real gRPC: answers, refusals, health beside long work, stop."""

import struct
import threading

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanarya_model.edges import open_inference_pb2 as pb
from kanarya_model.testing import build

ROW = [5.1, 3.5, 1.4, 0.2]
MANY = 65_536
PATIENCE_SECONDS = 120
CODE = grpc.StatusCode
BAD, LARGE = CODE.INVALID_ARGUMENT, CODE.RESOURCE_EXHAUSTED
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


class Stub:
    """A server's gRPC port."""

    def __init__(self, channel):
        self.channel = channel

    def call(self, method, request, answer, **options):
        serialise = bytes if isinstance(request, bytes) else type(request).SerializeToString
        asked = self.channel.unary_unary(f"/inference.GRPCInferenceService/{method}", serialise, answer.FromString)
        return asked(request, timeout=PATIENCE_SECONDS, **options)

    def infer(self, request, **options):
        return self.call("ModelInfer", request, pb.ModelInferResponse, **options)

    def refused(self, request, **options):
        with pytest.raises(grpc.RpcError) as caught:
            self.infer(request, **options)
        return caught.value.code(), caught.value.details()

    def health(self, service=""):
        return (
            health_pb2_grpc.HealthStub(self.channel)
            .Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_SECONDS)
            .status
        )


def connect(server):
    return Stub(grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=[("grpc.max_send_message_length", -1)]))


@pytest.fixture(scope="module")
def stub(running):
    stub = connect(running)
    yield stub
    stub.channel.close()


def tensor(name="X", datatype="FP64", shape=(1, 4), parameters=None, **contents):
    given = pb.InferTensorContents(**contents) if contents else None
    return pb.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape, contents=given, parameters=parameters
    )


def request(*tensors, **more):
    return pb.ModelInferRequest(**{"model_name": "iris", "inputs": tensors, **more})


def good(**more):
    return request(tensor(fp64_contents=ROW), **more)


def raw(*contents, **changes):
    return request(*[tensor(**changes)] * max(len(contents), 1), raw_input_contents=contents)


FP64 = np.array(ROW).tobytes()
NAN = float("nan")


def test_typed_contents_are_answered_typed_and_raw_raw_with_the_same_numbers(stub):
    typed, by_bytes = stub.infer(good(id="a-7")), stub.infer(raw(FP64))

    assert (typed.model_name, typed.model_version, typed.id, by_bytes.id) == ("iris", "7", "a-7", "")
    label, probabilities = typed.outputs
    assert (label.name, label.datatype, label.shape, label.contents.bytes_contents) == ("label", "BYTES", [1], [b"setosa"])
    assert (probabilities.datatype, probabilities.shape) == ("FP32", [1, 3])
    assert not typed.raw_output_contents
    assert not any(output.HasField("contents") for output in by_bytes.outputs)
    assert by_bytes.raw_output_contents[0] == b"\x06\0\0\0setosa"
    assert np.frombuffer(by_bytes.raw_output_contents[1], "<f4").tolist() == list(probabilities.contents.fp32_contents)


@pytest.mark.parametrize(
    ("datatype", "member", "dtype"),
    [
        ("INT8", "int_contents", "i1"),
        ("INT64", "int64_contents", "<i8"),
        ("UINT16", "uint_contents", "<u2"),
        ("UINT64", "uint64_contents", "<u8"),
        ("FP32", "fp32_contents", "<f4"),
        ("FP64", "fp64_contents", "<f8"),
        ("FP16", None, "<f2"),
    ],
)
def test_every_datatype_that_holds_the_numbers_is_read_typed_and_raw(stub, datatype, member, dtype):
    answers = [stub.infer(raw(np.array([5, 3, 1, 0], dtype).tobytes(), datatype=datatype)).raw_output_contents[0]]
    if member:
        answers.append(
            stub.infer(request(tensor(datatype=datatype, **{member: [5, 3, 1, 0]}))).outputs[0].contents.bytes_contents[0]
        )

    assert [answer.removeprefix(b"\x06\0\0\0") for answer in answers] == [b"setosa"] * len(answers)


TABLE = [
    ("no message", b"\xff\xff", BAD, "got 2 bytes that are not an inference.ModelInferRequest"),
    ("no inputs", request(), BAD, "inputs: got nothing"),
    ("no name", request(tensor("", fp64_contents=ROW)), BAD, 'inputs[0].name: got the string ""'),
    ("unknown name", request(tensor("petals", fp64_contents=ROW)), BAD, 'got "petals", expected one of "sepal_length"'),
    ("given twice", request(*[tensor(fp64_contents=ROW)] * 2), BAD, "inputs[0].name"),
    ("no datatype", request(tensor(datatype="", fp64_contents=ROW)), BAD, "inputs[0].datatype"),
    ("BF16", request(tensor(datatype="BF16", fp64_contents=ROW)), BAD, 'got the string "BF16"'),
    ("FP16 typed", request(tensor(datatype="FP16", fp32_contents=ROW)), BAD, "send it in raw_input_contents"),
    ("no shape", request(tensor(shape=[], fp64_contents=ROW)), BAD, "got [], expected [rows, 4]"),
    ("-1", request(tensor(shape=[-1, 4], fp64_contents=ROW)), BAD, "got the number -1"),
    ("no rows", request(tensor(shape=[0, 4])), BAD, "got no rows"),
    ("2^62 rows", request(tensor(shape=[2**62, 4], fp64_contents=ROW)), LARGE, "expected at most 65536"),
    ("2^62 rows raw", raw(FP64, shape=[2**62, 2**62]), BAD, "raw_input_contents[0]"),
    ("900 dimensions raw", raw(FP64, shape=[2**62] * 400), BAD, "400 dimensions"),
    ("other member", request(tensor(fp32_contents=ROW)), BAD, "contents: got fp32_contents, expected fp64_contents for FP64"),
    ("two members", request(tensor(fp32_contents=ROW, fp64_contents=ROW)), BAD, "got fp32_contents"),
    ("too few", request(tensor(fp64_contents=ROW[:3])), BAD, "got 3 elements, expected 4"),
    ("too many", request(tensor(fp64_contents=[*ROW, 1])), BAD, "got 5 elements, expected 4"),
    ("no contents", request(tensor()), BAD, "got 0 elements, expected 4"),
    ("raw and typed", request(tensor(fp64_contents=ROW), raw_input_contents=[FP64]), BAD, "expected one of the two"),
    ("one raw too many", request(tensor(), raw_input_contents=[FP64] * 2), BAD, "got 2 for 1 inputs, expected one for each"),
    ("raw too short", raw(FP64[:-1]), BAD, "raw_input_contents[0]: got 31 bytes, expected 32"),
    ("raw too long", raw(FP64 + b"x"), BAD, "got 33 bytes, expected 32"),
    ("raw of another datatype", raw(FP64, datatype="FP32"), BAD, "expected 16 for 4 elements of FP32"),
    ("raw words too long", raw(b"\xff\xff\xff\xffsetosa", datatype="BYTES", shape=[1, 1]), BAD, "raw_input_contents[0]"),
    ("NaN", request(tensor(fp64_contents=[NAN, 1, 1, 1])), BAD, "got NaN"),
    ("infinity raw", raw(np.array([1, 1, np.inf, 1]).tobytes()), BAD, "got the number inf"),
    ("1e39 for an FP32 model", request(tensor(fp64_contents=[1e39, 1, 1, 1])), BAD, "got the number 1e+39"),
    (
        "300 in UINT8",
        request(tensor(datatype="UINT8", uint_contents=[1, 2, 3, 300])),
        BAD,
        "got the number 300, expected 0 to 255",
    ),
    ("BYTES to numbers", request(tensor(datatype="BYTES", bytes_contents=[b"a"] * 4)), BAD, "datatype: got BYTES"),
    ("id with a line break", good(id="a\r\nb"), BAD, "id: got the string"),
    ("empty parameter", good(parameters={"a": pb.InferParameter()}), BAD, '"a" has no value'),
    ("unknown output", good(outputs=[{"name": "logits"}]), BAD, 'got "logits", expected some of "label", "probabilities"'),
    ("output twice", good(outputs=[{"name": "label"}] * 2), BAD, "is asked for twice"),
    ("unknown model", good(model_name="rose"), CODE.NOT_FOUND, 'got "rose", expected "iris"'),
    ("unknown version", good(model_version="3"), CODE.NOT_FOUND, 'got "3" of model "iris", expected "7"'),
    ("over the limit", raw(FP64 * 200, shape=[200, 4]), LARGE, "larger than max"),
]


@pytest.mark.parametrize(("sent", "code", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_bad_request_is_refused_with_what_is_wrong(stub, sent, code, words):
    got, details = stub.refused(sent)

    assert got is code
    assert words in details


def test_a_message_that_inflates_beyond_the_limit_is_refused(stub):
    sent = raw(bytes(50_000_000), shape=[1_562_500, 4])

    assert stub.refused(sent, compression=grpc.Compression.Gzip)[0] is LARGE


def test_calls_are_counted_beside_those_of_http(running, stub):
    counted = {
        code: f'kanarya_model_requests_total{{code="{code}",edge="v2-grpc",model="iris",version="7"}}'
        for code in (200, 400, 500)
    }
    before = {code: running.metric(name) for code, name in counted.items()}

    stub.infer(good())
    stub.infer(raw(FP64))
    stub.refused(request())

    assert {code: running.metric(name) - before[code] for code, name in counted.items()} == {200: 2, 400: 1, 500: 0}
    assert running.metric("kanarya_model_requests_in_flight") == 0


def test_server_and_model_say_the_same_of_themselves_as_over_http(running, stub):
    server = stub.call("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse)
    model = stub.call("ModelMetadata", pb.ModelMetadataRequest(name="iris", version="7"), pb.ModelMetadataResponse)
    over_http = running.http.get("/v2/models/iris").json()

    assert (server.name, server.version) == (running.http.get("/v2").json()["name"], running.http.get("/v2").json()["version"])
    assert (model.name, model.platform, list(model.versions)) == ("iris", over_http["platform"], ["7"])
    for tensors, member in ((model.inputs, "inputs"), (model.outputs, "outputs")):
        assert [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in tensors] == over_http[member]


def test_reflection_lists_the_services_and_gives_their_messages(stub):
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="inference.GRPCInferenceService"),
    ]
    listed, file = reflection_pb2_grpc.ServerReflectionStub(stub.channel).ServerReflectionInfo(
        iter(requests), timeout=PATIENCE_SECONDS
    )

    assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= {
        one.name for one in listed.list_services_response.service
    }
    assert b"raw_input_contents" in file.file_descriptor_response.file_descriptor_proto[0]


def long_calls(stub, number):
    """Calls that a thread has to work on for a while each, under way."""
    words = struct.pack("<I", 5) + b"north"
    columns = [tensor(name, shape=[MANY]) for name in ("sepal_length", "sepal_width", "petal_length")]
    contents = [np.ones(MANY).tobytes()] * 3 + [words * MANY]
    long = request(*columns, tensor("garden", "BYTES", [MANY]), raw_input_contents=contents).SerializeToString()
    infer = stub.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    return [infer.future(long) for _ in range(number)]


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """An artifact that is served by scikit-learn, in threads."""
    return build(tmp_path_factory.mktemp("artifact") / "words", "skops")


def test_health_waits_neither_for_long_predictions_nor_for_open_streams_and_calls_that_do_wait_are_merged(serve, words):
    server = serve(words, "--grpc-port", "0")
    stub = connect(server)
    let_go = threading.Event()
    reflection = reflection_pb2_grpc.ServerReflectionStub(stub.channel)
    held = [reflection.ServerReflectionInfo(iter(let_go.wait, True)) for _ in "ab"]
    numbers = [tensor(name, fp64_contents=[5.1], shape=[1]) for name in ("sepal_length", "sepal_width", "petal_length")]
    short = request(*numbers, tensor("garden", "BYTES", [1], bytes_contents=[b"north"])).SerializeToString()
    infer = stub.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
    long = long_calls(stub, 8)
    asked = long + [infer.future(short) for _ in range(8)]
    lively = 0
    while not all(call.done() for call in long):
        assert stub.health() == SERVING
        assert stub.call("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse).live
        lively += 1

    assert lively > 10  # waiting for predictions, each of the two would be let through by the end of one, of which there are 8
    assert not any(stream.done() for stream in held)
    answers = [pb.ModelInferResponse.FromString(call.result()).outputs[0].shape for call in asked]
    assert answers == [[MANY]] * 8 + [[1]] * 8
    assert server.metric("kanarya_model_batch_requests_sum") == 16
    assert server.metric("kanarya_model_batch_requests_count") < 16
    let_go.set()
    stub.channel.close()


def test_sigterm_is_not_ready_at_once_and_answers_until_it_has_drained(serve, artifact):
    server = serve(artifact, "--grpc-port", "0", "--drain-seconds", "60")
    stub = connect(server)
    assert stub.health("inference.GRPCInferenceService") == SERVING
    server.process.terminate()
    while stub.health() == SERVING:
        assert server.process.poll() is None

    ready = stub.call("ModelReady", pb.ModelReadyRequest(name="iris"), pb.ModelReadyResponse).ready
    answer = stub.infer(good())

    assert not ready
    assert answer.outputs[0].contents.bytes_contents == [b"setosa"]
    assert server.stop() == 0  # a second signal ends the drain
    assert stub.refused(good())[0] is CODE.UNAVAILABLE
    stub.channel.close()


def test_a_server_that_closes_is_unavailable_to_new_calls_and_ends_those_it_has(serve, words):
    server = serve(words, "--grpc-port", "0", "--drain-seconds", "0")
    stub, late = connect(server), connect(server)
    assert late.health() == SERVING
    asked = long_calls(stub, 6)
    while server.metric("kanarya_model_requests_in_flight") + sum(call.done() for call in asked) < 6:
        pass  # one that the server has not taken yet, it may refuse
    server.process.terminate()
    code = None
    while code is not CODE.UNAVAILABLE:
        try:
            late.health()
        except grpc.RpcError as refused:
            code, under_way = refused.code(), [call for call in asked if not call.done()]
            assert code in (CODE.UNAVAILABLE, CODE.CANCELLED)  # gRPC's word for a call that crossed the server's goodbye

    assert under_way
    assert [pb.ModelInferResponse.FromString(call.result()).outputs[0].shape for call in asked] == [[MANY]] * 6
    assert server.process.wait(PATIENCE_SECONDS) == 0
    for one in (stub, late):
        one.channel.close()


def test_more_long_predictions_than_may_wait_are_unavailable_and_counted_so(serve, words):
    server = serve(words, "--version", "7", "--grpc-port", "0", "--most-queued", "1")
    stub = connect(server)

    codes = [call.code() for call in long_calls(stub, 5)]
    unavailable = codes.count(CODE.UNAVAILABLE)

    assert set(codes) == {CODE.OK, CODE.UNAVAILABLE}
    assert server.metric('kanarya_model_requests_total{code="503",edge="v2-grpc",model="iris",version="7"}') == unavailable
    stub.channel.close()


def test_a_port_that_is_taken_is_named(running, fails, artifact):
    status, last = fails("serve", artifact, "--port", "0", "--grpc-port", running.grpc_port)

    assert status == 3
    assert f"port {running.grpc_port} on 127.0.0.1 is in use; give another with --grpc-port" in last


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(content=st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: good().SerializeToString() + tail))
def test_any_bytes_are_answered_by_the_protocol(stub, content):
    asked = stub.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer").future(content, timeout=PATIENCE_SECONDS)

    assert asked.code() in (CODE.OK, BAD, LARGE, CODE.NOT_FOUND)


def test_a_copy_is_known_by_its_metadata_and_counted_where_no_answer_is(running, stub):
    def counted():
        names = ('requests_total{code="200",edge="v2-grpc"', 'mirrored_requests_total{code="200"')
        return [running.metric(f'kanarya_model_{name},model="iris",version="7"}}') for name in names]

    before = counted()
    for version in ("7", "8"):
        stub.infer(good(), metadata=(("x-kanarya-mirrored-to", version),))
    assert counted() == [before[0] + 1, before[1] + 1]
