"""The binary tensor extension, both ways, and the rows of the table that concern it (63 to 71)."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanarya_contracts.datatypes import FLOATS, Datatype
from kanarya_model import loaders, testing
from kanarya_model.artifact import read
from kanarya_model.core import raw
from kanarya_model.testing import NUMBERS

ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.7, 2.8, 4.1, 1.3]])
WORDS = ["north", "south", "south"]
FP32 = ROWS.astype("<f4").tobytes()
SIZE = len(FP32)


def tensor(name="X", shape=(3, 4), datatype="FP32", size=SIZE, **more):
    return {"name": name, "shape": list(shape), "datatype": datatype, "parameters": {"binary_data_size": size}, **more}


def body(*tensors, tail=FP32, length=None, **more):
    """A request's bytes and headers."""
    document = json.dumps({"inputs": list(tensors), **more}).encode()
    headers = {"content-type": "application/octet-stream"}
    headers["inference-header-content-length"] = str(len(document) if length is None else length)
    return document + tail, headers


def ask(asked, *tensors, **options):
    content, headers = body(*tensors, **options)
    return asked.infer(content, headers=headers)


def outputs(answer):
    """Name → elements, from JSON or from bytes, with the response's own account of them checked."""
    assert answer.status == 200, answer.body
    size = int(answer.headers.get("inference-header-content-length", len(answer.body)))
    document, tail = json.loads(answer.body[:size]), answer.body[size:]
    got = {}
    for one in document["outputs"]:
        if "data" in one:
            got[one["name"]] = one["data"]
            continue
        mine, tail = tail[: one["parameters"]["binary_data_size"]], tail[one["parameters"]["binary_data_size"] :]
        elements = raw.read(mine, Datatype(one["datatype"]), one["shape"], one["name"])
        got[one["name"]] = elements.tolist()
    assert tail == b""
    return got


def plain(asked):
    return outputs(asked.infer({"inputs": [{"name": "X", "shape": [3, 4], "datatype": "FP64", "data": ROWS.ravel().tolist()}]}))


def test_the_server_says_that_it_speaks_it(client):
    assert client().ask("GET", "/v2").json()["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize("datatype", sorted(FLOATS))
def test_a_matrix_in_bytes_is_answered_as_in_json(client, datatype):
    asked = client()
    content = bytes(raw.write(ROWS, Datatype(datatype)))

    got = outputs(ask(asked, tensor(datatype=datatype, size=len(content)), tail=content))

    wanted = plain(asked)
    assert got["label"] == wanted["label"]
    assert np.allclose(got["probabilities"], wanted["probabilities"], atol=1e-2 if datatype == "FP16" else 1e-6)


@pytest.mark.parametrize("kind", ["mixed", "skops"])
def test_columns_in_bytes_and_in_json_stand_side_by_side(client, kind):
    asked = client(kind)
    listed = [
        {"name": name, "shape": [3], "datatype": "FP64", "data": ROWS[:, i].tolist()} for i, name in enumerate(NUMBERS[:3])
    ]
    words = {"name": "garden", "shape": [3, 1], "datatype": "BYTES", "data": WORDS}
    garden, first = bytes(raw.write(np.array(WORDS, object), Datatype.BYTES)), ROWS[:, 0].tobytes()
    sent = [
        tensor("garden", [3, 1], "BYTES", len(garden)),
        tensor(NUMBERS[0], [3], "FP64", len(first)),
        *listed[1:],
    ]

    got = outputs(ask(asked, *sent, tail=garden + first))

    assert got == outputs(asked.infer({"inputs": [*listed, words]}))


@pytest.mark.parametrize(
    ("more", "in_bytes"),
    [
        ({"parameters": {"binary_data_output": True}}, ["label", "probabilities"]),
        ({"outputs": [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}]}, ["probabilities"]),
        (
            {
                "parameters": {"binary_data_output": True},
                "outputs": [{"name": "probabilities", "parameters": {"binary_data": False}}, {"name": "label"}],
            },
            ["label"],
        ),
        ({"parameters": {"binary_data_output": False}, "outputs": [{"name": "label"}, {"name": "probabilities"}]}, []),
    ],
)
@pytest.mark.parametrize("kind", ["numeric", "int"])
def test_outputs_come_in_bytes_where_that_was_asked(client, kind, more, in_bytes):
    asked = client(kind)
    request = {"inputs": [{"name": "X", "shape": [3, 4], "datatype": "FP64", "data": ROWS.ravel().tolist()}]}

    answer = asked.infer({**request, **more})

    size = int(answer.headers.get("inference-header-content-length", len(answer.body)))
    assert [one["name"] for one in json.loads(answer.body[:size])["outputs"] if "data" not in one] == in_bytes
    assert answer.headers["content-type"] == ("application/octet-stream" if in_bytes else "application/json")
    got, wanted = outputs(answer), plain(asked)
    assert got["label"] == wanted["label"]
    assert np.array_equal(np.float32(got["probabilities"]), np.float32(wanted["probabilities"]))


def test_bytes_may_be_compressed_and_come_in_pieces(client):
    content, headers = body(tensor())

    answer = client().infer(gzip.compress(content), headers={**headers, "content-encoding": "gzip"}, pieces=3)

    assert outputs(answer)["label"] == plain(client())["label"]


COUNT = "got {} bytes, expected 48 for 12 elements of FP32".format

TABLE = [
    ("63 header over the body", {"length": 10_000}, {}, "got 10000, expected at most the body's"),
    ("63 header negative", {"length": -1}, {}, 'got "-1", expected the bytes of the JSON document'),
    ("63 header zero", {"length": 0}, {}, 'got "0"'),
    ("63 header too small", {"length": 12}, {}, "not JSON"),
    ("63 header of 2^31", {"length": 2**31}, {}, "got 2147483648, expected at most the body's"),
    ("63 header of 400 digits", {"length": "1" * 400}, {}, "expected the bytes of the JSON document"),
    ("64 header no number", {"length": "many"}, {}, 'got "many"'),
    ("64 header in other digits", {"length": "\u00b2"}, {}, "Inference-Header-Content-Length: got"),
    ("66 cut", {"tail": FP32[:-1]}, {}, "binary_data_size is 48, and 47 bytes are left in the body"),
    ("67 bytes more", {"tail": FP32 + b"x"}, {}, "got 1 bytes after the last tensor, expected none"),
    ("68 size -1", {}, {"size": -1}, "binary_data_size is the number -1, expected a number of bytes"),
    ("68 size a string", {}, {"size": "48"}, 'binary_data_size is the string "48"'),
    ("68 size true", {}, {"size": True}, "binary_data_size is true"),
    ("68 size 48.0", {}, {"size": 48.0}, "binary_data_size is the number 48.0"),
    ("68 size not of the shape", {"tail": FP32[:40]}, {"size": 40}, COUNT(40)),
    ("69 size 2^40", {}, {"size": 2**40}, "binary_data_size is 1099511627776, and 48 bytes are left"),
    ("70 both", {}, {"data": [1.0] * 12}, "has both data and binary_data_size"),
    ("70 neither", {}, {"parameters": {}}, "inputs[0].data: is missing"),
    (
        "binary_data no flag",
        {"outputs": [{"name": "label", "parameters": {"binary_data": 1}}]},
        {},
        "binary_data is the number 1",
    ),
    ("binary_data_output no flag", {"parameters": {"binary_data_output": "true"}}, {}, "expected true or false"),
    ("a shape beyond all bounds", {}, {"shape": [2**62] * 200}, "got 200 dimensions, expected at most 8"),
    ("infinity", {"tail": np.full(12, np.inf, "<f4").tobytes()}, {}, "inputs[0].data[0]: got the number inf"),
    ("NaN", {"tail": np.full(12, np.nan, "<f4").tobytes()}, {}, "got NaN, and the model accepts no missing value"),
    ("1e308", {"tail": np.full(12, 1e308).tobytes()}, {"datatype": "FP64", "size": 96}, "got the number 1e+308"),
]


@pytest.mark.parametrize(("options", "changes", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_bytes_that_are_not_as_announced_are_refused(client, options, changes, words):
    asked = client()

    answer = ask(asked, tensor(**changes), **options)

    assert answer.status == 400
    assert words in answer.error
    assert len(answer.body) < 1000


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        pytest.param(b"\x05\0\0\0north\0\x28\x6b\xee", "announces 4000000000 bytes, and 0 are left", id="71 a length of 4e9"),
        pytest.param(b"\x05\0\0\0north\x01\0", "ends within the length of element 1", id="71 two bytes of a length"),
        pytest.param(b"\x04\0\0\0nort\x04\0\0\0sout", 'inputs[0].data[0]: got "nort", expected one of', id="unknown words"),
    ],
)
def test_words_that_are_none_are_refused(client, tail, words):
    numbers = [{"name": name, "shape": [2], "datatype": "FP64", "data": [1.0, 2.0]} for name in NUMBERS[:3]]

    answer = ask(client("mixed"), tensor("garden", [2], "BYTES", len(tail)), *numbers, tail=tail)

    assert answer.status == 400
    assert words in answer.error


def test_65_bytes_without_the_header_are_refused(client):
    content, headers = body(tensor())
    headers.pop("inference-header-content-length")

    as_bytes = client().infer(content, headers=headers)
    as_json = client().infer({"inputs": [tensor()]})

    assert (as_bytes.status, as_json.status) == (415, 400)
    assert "binary_data_size is given, and the request has no Inference-Header-Content-Length" in as_json.error


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    tail=st.binary(max_size=64),
    datatype=st.sampled_from(list(Datatype)),
    shape=st.lists(st.integers(0, 4), max_size=3),
    size=st.integers(0, 64),
    kind=st.sampled_from(["numeric", "mixed"]),
    name=st.sampled_from(["X", *NUMBERS, "garden"]),
)
def test_any_bytes_after_the_document_are_answered_by_the_protocol(client, tail, datatype, shape, size, kind, name):
    answer = ask(client(kind), tensor(name, shape, datatype, size), tail=tail)

    assert answer.status in (200, 400)


# --- labels ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numeric", "forest-onnx", "int"])
def test_a_graph_that_says_labels_in_words_alone_is_answered_byte_for_byte_alike(kind, client, tmp_path, monkeypatch):
    """As every graph did that training made before it said their places."""
    monkeypatch.setattr(testing, "say_place", lambda *given, **named: False)
    older = {"kind": "numeric", "int_labels": True} if kind == "int" else {"kind": kind}
    found = read(testing.build(tmp_path / kind, **older))
    asked = client(kind)
    now = asked.served.model
    before = loaders.load(found, threads=1)
    answers = []
    for predictor in (now._predictor, before):
        monkeypatch.setattr(now, "_predictor", predictor)
        for all_in_bytes in (False, True):
            answers.append(ask(asked, tensor(), parameters={"binary_data_output": all_in_bytes}).body)

    assert (now._predictor._asked, found.contract.outputs) == (["label", "probabilities"], now.contract.outputs)
    assert answers[:2] == answers[2:]
