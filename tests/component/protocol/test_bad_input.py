"""The table of bad requests in the facts on serving, row by row: each answers 4xx with `{"error"}` that names what is wrong.

The number is the table's. Rows 55 and 56 to 61 are in test_bodies, 63 to 71 in test_binary, 76 in tests/component/model.
"""

import json
from typing import Any

import pytest

ROW = [5.1, 3.5, 1.4, 0.2]


def tensor(**changes: Any) -> dict[str, Any]:
    fields = {"name": "X", "shape": [1, 4], "datatype": "FP64", "data": ROW} | changes
    return {name: value for name, value in fields.items() if value is not ...}


def request(*tensors: object, **more: object) -> dict[str, object]:
    return {"inputs": list(tensors), **more}


def one(**changes: Any) -> dict[str, object]:
    return request(tensor(**changes))


GOOD = json.dumps(one())

TABLE: list[tuple[str, object, str]] = [
    ("1 empty body", b"", "not JSON"),
    ("1 not JSON", b"hello", "not JSON"),
    ("1 truncated", GOOD[:-3].encode(), "not JSON"),
    ("1 trailing garbage", GOOD.encode() + b"x", "not JSON"),
    ("2 array", b"[]", "got a list of 0, expected an object"),
    ("2 null", b"null", "got null, expected an object"),
    ("3 byte order mark", b"\xef\xbb\xbf" + GOOD.encode(), "not JSON"),
    ("3 UTF-16", GOOD.encode("utf-16"), "not JSON"),
    ("4 invalid UTF-8", GOOD.encode().replace(b'"X"', b'"\xff"'), "not JSON"),
    ("5 lone surrogate", GOOD.encode().replace(b'"X"', b'"\\ud800"'), "not JSON"),
    ("6 inputs missing", {}, "inputs: got nothing"),
    ("6 inputs null", {"inputs": None}, "inputs: got null"),
    ("6 inputs object", {"inputs": {}}, "inputs: got an object"),
    ("6 inputs of null", {"inputs": [None]}, "inputs[0]: got null"),
    ("7 no inputs", {"inputs": []}, "inputs: got a list of 0"),
    ("8 V1 body", {"instances": [ROW]}, 'got the member "instances"'),
    ("9 no name", one(name=...), "inputs[0].name: is missing"),
    ("9 no shape", one(shape=...), "inputs[0].shape: is missing"),
    ("9 no datatype", one(datatype=...), "inputs[0].datatype: is missing"),
    ("9 no data", one(data=...), "inputs[0].data: is missing"),
    ("10 empty name", one(name=""), 'inputs[0].name: got the string ""'),
    ("10 name a number", one(name=5), "inputs[0].name: got the number 5"),
    ("10 name of 50 kB", one(name="n" * 50_000), "(50000 characters)"),
    ("11 unknown name", one(name="petals"), 'got "petals", expected one of "sepal_length"'),
    ("12 given twice", request(tensor(), tensor()), "inputs[0].name"),
    ("12 column given twice", request(*[tensor(name="sepal_width", shape=[1], data=[1.0])] * 2), "is given twice"),
    ("13 second input", request(tensor(), tensor(name="more")), "inputs[0].name"),
    ("14 two shapes", GOOD.encode().replace(b'"shape"', b'"shape": [1, 4], "shape"'), '"shape" is given twice'),
    ("14 two inputs", GOOD.encode().replace(b'{"inputs"', b'{"inputs": [], "inputs"'), '"inputs" is given twice'),
    ("15 unknown member", {**one(), "input": []}, 'got the member "input"'),
    ("15 unknown member of a tensor", one(dtype="FP32"), 'inputs[0]: got the member "dtype"'),
    ("16 lower case", one(datatype="fp64"), 'got the string "fp64"'),
    ("17 unknown datatype", one(datatype="FP99"), "inputs[0].datatype"),
    ("17 empty datatype", one(datatype=""), "inputs[0].datatype"),
    ("17 BF16", one(datatype="BF16"), "inputs[0].datatype"),
    ("18 datatype null", one(datatype=None), "inputs[0].datatype: got null"),
    ("19 FP16", one(datatype="FP16"), "FP16 has no form in JSON"),
    ("20 no dimension", one(shape=[]), "got [], expected [rows, 4]"),
    ("21 shape null", one(shape=None), "shape: got null"),
    ("21 shape text", one(shape="1,4"), "shape: got the string"),
    ("21 dimension 1.5", one(shape=[1.5, 4]), "got the number 1.5 in it"),
    ("22 dimensions text", one(shape=["1", "4"]), 'got the string "1" in it'),
    ("22 dimension true", one(shape=[True, 4]), "got true in it"),
    ("22 dimensions 1.0", one(shape=[1.0, 4.0]), "got the number 1.0 in it"),
    ("23 -1", one(shape=[-1, 4]), "got the number -1 in it"),
    ("24 both negative", one(shape=[-1, -4]), "got the number -1 in it"),
    ("25 no rows", one(shape=[0, 4], data=[]), "got no rows"),
    ("26 no rows but data", one(shape=[0, 4]), "got no rows"),
    ("27 too few", one(data=ROW[:3]), "got 3 elements, expected 4"),
    ("27 too many", one(data=[*ROW, 1.0]), "got 5 elements, expected 4"),
    ("28 2^31 rows", one(shape=[2**31, 4]), "at most 1000"),
    ("29 2^63", one(shape=[2**63, 4]), "at most 1000"),
    ("29 2^64", one(shape=[2**64, 4]), "inputs[0].shape"),
    ("30 2^32 x 2^32", one(shape=[2**32, 2**32]), "inputs[0].shape"),
    ("31 elements times size", one(shape=[2**61, 4]), "at most 1000"),
    ("32 1000 dimensions", one(shape=[1] * 1000), "got 1000 dimensions"),
    ("33 wrong rank", one(shape=[4]), "got [4], expected [rows, 4]"),
    ("34 three columns", one(shape=[1, 3], data=ROW[:3]), "got [1, 3], expected [rows, 4]"),
    ("35 ragged", one(shape=[2, 4], data=[ROW, ROW[:3]]), "data[1]: got a list of 3"),
    ("36 nested otherwise", one(data=[[value] for value in ROW]), "got 4 rows, expected 1"),
    ("36 nested deeper", one(data=[[ROW]]), "got a list of 1, expected a list of 4"),
    ("37 data null", one(data=None), "data: got null"),
    ("37 data a number", one(data=1), "data: got the number 1"),
    ("37 data an object", one(data={}), "data: got an object"),
    ("38 null in data", one(data=[5.1, None, 1.4, 0.2]), "data[1]: got null"),
    ("38 object in data", one(data=[5.1, {}, 1.4, 0.2]), "data[1]: got an object"),
    ("39 words", one(data=["a", "b", "c", "d"]), 'data[0]: got the string "a"'),
    ("40 numbers as text", one(data=["5.1", "3.5", "1.4", "0.2"]), 'data[0]: got the string "5.1"'),
    ("40 booleans", one(data=[True, False, True, True]), "data[0]: got true"),
    ("41 NaN", GOOD.encode().replace(b"5.1", b"NaN"), "not JSON"),
    ("41 Infinity", GOOD.encode().replace(b"5.1", b"-Infinity"), "not JSON"),
    ("41 1e999", GOOD.encode().replace(b"5.1", b"1e999"), "not JSON"),
    ("42 1e39 in FP32", one(datatype="FP32", data=[1e39, 1.0, 1.0, 1.0]), "data[0]: got the number 1e+39"),
    ("42 1e39 in FP64 for an FP32 model", one(data=[1e39, 1.0, 1.0, 1.0]), "data[0]: got the number 1e+39"),
    ("43 300 in UINT8", one(datatype="UINT8", data=[1, 2, 3, 300]), "data[3]: got the number 300, expected 0 to 255"),
    ("43 -1 in UINT8", one(datatype="UINT8", data=[1, 2, 3, -1]), "data[3]: got the number -1"),
    ("44 2^63 in INT64", one(datatype="INT64", data=[2**63, 2, 3, 4]), "data[0]: got the number 9223372036854775808"),
    ("44 2^200 in INT64", one(datatype="INT64", data=[2**200, 2, 3, 4]), "data[0]: got the number"),
    ("45 5.1 in INT32", one(datatype="INT32"), "data[0]: got the number 5.1, expected an integer"),
    ("46 2 in BOOL", one(datatype="BOOL", data=[1, 0, 1, 2]), "datatype: got BOOL"),
    ("46 text in BOOL", one(datatype="BOOL", data=["true", "x", "", ""]), "datatype: got BOOL"),
    ("47 numbers in BYTES", one(datatype="BYTES"), "datatype: got BYTES"),
    ("48 BYTES to numbers", one(datatype="BYTES", data=["a"] * 4), "datatype: got BYTES"),
    ("49 nested 40,000 deep", b"[" * 40_000 + b"]" * 40_000, "not JSON"),
    ("49 nested 900 deep", GOOD.encode().replace(b"5.1", b"[" * 900 + b"]" * 900), "got 4 rows, expected 1"),
    ("50 id a number", {**one(), "id": 5}, "id: got the number 5"),
    ("50 id of 50 kB", {**one(), "id": "i" * 50_000}, "id: got the string"),
    ("50 id with a line break", {**one(), "id": "a\r\nb"}, "id: got the string"),
    ("51 parameters a list", {**one(), "parameters": []}, "parameters: got a list of 0"),
    ("51 parameter an object", {**one(), "parameters": {"a": {}}}, '"a" is an object'),
    ("51 parameters of a tensor", one(parameters=5), "inputs[0].parameters: got the number 5"),
    ("52 outputs text", {**one(), "outputs": "label"}, "outputs: got the string"),
    ("52 output without name", {**one(), "outputs": [{}]}, "outputs[0]: got an object without a name"),
    (
        "53 unknown output",
        {**one(), "outputs": [{"name": "logits"}]},
        'got "logits", expected some of "label", "probabilities"',
    ),
    ("54 output twice", {**one(), "outputs": [{"name": "label"}] * 2}, "is asked for twice"),
]


@pytest.mark.parametrize(("body", "words"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_bad_request_is_refused_with_what_is_wrong(client, body, words):
    asked = client()

    answer = asked.infer(body)

    assert answer.status in (400, 413)
    assert words in answer.error
    assert len(answer.body) < 1000
    assert asked.metric("kanarya_model_requests_total")['{code="500",edge="v2-rest",model="iris",version="2"}'] == 0
    assert sum(asked.metric("kanarya_model_rejected_total").values()) == 1


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("text/plain", id="56 text"),
        pytest.param("application/octet-stream", id="56 bytes, without the binary extension's header"),
        pytest.param("application/json; charset=utf-16", id="57 another charset"),
    ],
)
def test_another_media_type_is_refused(client, kind):
    answer = client().infer(GOOD.encode(), headers={"content-type": kind})

    assert answer.status == 415
    assert f'Content-Type: got "{kind}"' in answer.error


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        pytest.param("POST", "/v2/models/rose/infer", 404, 'got "rose", expected "iris"', id="72 infer"),
        pytest.param("GET", "/v2/models/rose", 404, 'got "rose"', id="72 metadata"),
        pytest.param("GET", "/v2/models/rose/ready", 404, 'got "rose"', id="72 ready"),
        pytest.param("POST", "/v2/models/iris/versions/3/infer", 404, 'got "3" of model "iris", expected "2"', id="73 infer"),
        pytest.param("GET", "/v2/models/iris/versions/3", 404, 'got "3"', id="73 metadata"),
        pytest.param("GET", "/v2/models/iris/versions/", 404, 'got ""', id="73 no version"),
        pytest.param("GET", "/v2/models/../iris", 404, 'got ".."', id="74 dots"),
        pytest.param("GET", "/etc/passwd", 404, "path", id="74 unknown path"),
        pytest.param("POST", "/v2/models/iris/infer/", 404, "without the slash", id="75 trailing slash"),
        pytest.param("GET", "/v2/models/iris/infer", 405, "got GET, expected POST", id="75 GET"),
        pytest.param("PUT", "/v2/models/iris/infer", 405, "got PUT, expected POST", id="75 PUT"),
        pytest.param("POST", "/v2", 405, "got POST, expected GET", id="75 POST"),
    ],
)
def test_a_wrong_address_is_answered_with_the_right_one(client, method, path, status, words):
    answer = client().ask(method, path)

    assert answer.status == status
    assert words in answer.error
    assert ("allow" in answer.headers) == (status == 405)


def test_62_a_body_over_the_limit_is_413_whether_announced_or_not(client):
    body = one(data=[0.1] * 40_000)
    content = json.dumps(body).encode()

    announced = client().infer(content)
    in_pieces = client().infer(content, headers={"transfer-encoding": "chunked"}, pieces=20)

    assert (announced.status, in_pieces.status) == (413, 413)
    assert "expected at most 100000" in announced.error


def test_too_many_rows_are_413(client):
    answer = client().infer(one(shape=[1001, 4], data=[1] * 4004))

    assert answer.status == 413
    assert "got 1001 rows, expected at most 1000" in answer.error
