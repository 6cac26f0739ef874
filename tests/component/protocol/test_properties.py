"""Whatever JSON stands wherever in a request: an answer of the protocol, never a 5xx, never an exception."""

import copy
import json

import numpy as np
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_model.core import values
from kanarya_model.core.refusal import Refusal
from kanarya_model.edges.v2_request import read_request

FEW = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

MIXED = {
    "id": "1",
    "parameters": {"a": 1},
    "inputs": [
        {"name": "sepal_length", "shape": [2], "datatype": "FP64", "data": [5.1, 6.0], "parameters": {}},
        {"name": "sepal_width", "shape": [2, 1], "datatype": "FP32", "data": [[3.5], [3.0]]},
        {"name": "petal_length", "shape": [2], "datatype": "INT64", "data": [1, 4]},
        {"name": "garden", "shape": [2], "datatype": "BYTES", "data": ["north", "south"]},
    ],
    "outputs": [{"name": "label"}, {"name": "probabilities"}],
}

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, 4, -1, 2**31, 2**63, 1e39, 3.4e38, 1e308, "FP32", "BYTES", "INT8", "X", "north", "label", ""])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def paths(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


PATHS = list(paths(MIXED))


def replaced(document, path, value):
    if not path:
        return value
    copied = copy.deepcopy(document)
    parent = copied
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return copied


def test_the_request_that_the_properties_start_from_is_good(client):
    assert client("mixed").infer(MIXED).status == 200


@FEW
@given(path=st.sampled_from(PATHS), value=ANYTHING)
def test_any_value_in_any_place_is_answered_by_the_protocol(client, path, value):
    answer = client("mixed").infer(replaced(MIXED, path, value))

    assert answer.status in (200, 400, 413)
    if answer.status == 200:
        assert answer.json()["outputs"]
    else:
        assert answer.error


@FEW
@given(
    data=st.lists(ANYTHING, max_size=9) | ANYTHING,
    shape=st.lists(st.integers(0, 4), max_size=3) | ANYTHING,
    datatype=st.sampled_from(list(Datatype)) | ANYTHING,
    kind=st.sampled_from(["numeric", "int", "mixed", "skops"]),
)
def test_any_matrix_is_answered_by_the_protocol(client, data, shape, datatype, kind):
    tensor = {"name": "X", "shape": shape, "datatype": datatype, "data": data}

    assert client(kind).infer({"inputs": [tensor]}).status in (200, 400, 413)


@FEW
@given(body=st.binary(max_size=200))
def test_any_bytes_are_answered_by_the_protocol(client, body):
    assert client().infer(body).status == 400


@FEW
@given(rows=st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False, width=32)] * 4), min_size=1, max_size=5))
def test_numbers_of_any_size_have_a_finite_answer_or_are_refused(client, rows):
    flat = [value for row in rows for value in row]
    answer = client().infer({"inputs": [{"name": "X", "shape": [len(rows), 4], "datatype": "FP32", "data": flat}]})

    assert answer.status in (200, 400)
    if answer.status == 200:
        assert np.isfinite(answer.json()["outputs"][1]["data"]).all()


@FEW
@given(body=ANYTHING)
def test_any_feedback_is_answered_by_the_protocol(client, body):
    for document in (body, {"model_version": "2", "predictions": body, "labels": body}):
        answer = client().ask("POST", "/v2/models/iris/feedback", json.dumps(document).encode())
        assert answer.status in (200, 400, 413)


@given(
    datatype=st.sampled_from(sorted(INTEGER_RANGE)),
    elements=st.lists(st.integers(-(2**64), 2**65) | st.integers(-300, 300), min_size=1, max_size=5),
)
def test_integers_are_kept_exactly_or_refused(datatype, elements):
    low, high = INTEGER_RANGE[datatype]
    exact = all(low <= value <= high and int(float(value)) == value for value in elements)
    try:
        got = values.numbers(list(elements), datatype, "t", nullable=False, largest=1e308)
    except Refusal:
        assert not exact
    else:
        assert exact
        assert [int(value) for value in got] == elements


@given(
    datatype=st.sampled_from(sorted(FLOATS - {Datatype.FP16})),
    elements=st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=5),
)
def test_numbers_come_back_as_sent_and_null_as_nan(datatype, elements):
    largest = values.LARGEST_FP32 if datatype is Datatype.FP32 else values.LARGEST_FP64
    fits = all(value is None or abs(value) <= largest for value in elements)
    try:
        got = values.numbers(list(elements), datatype, "t", nullable=True, largest=values.LARGEST_FP64)
    except Refusal:
        assert not fits
    else:
        assert fits
        assert [None if np.isnan(value) else value for value in got.tolist()] == elements


@given(names=st.lists(st.text(max_size=4), min_size=1, max_size=4))
def test_a_repeated_member_is_found_wherever_it_stands_and_nothing_else_is(names):
    members = ",".join(f"{json.dumps(name)}:{json.dumps(name)}" for name in names)
    tensor = b'{"name":"X","shape":[1],"datatype":"FP64","data":[1],"parameters":{%s}}' % members.encode()
    body = b'{"inputs":[%s]}' % tensor

    if len(set(names)) == len(names):
        assert read_request(body, known=()).tensors[0].name == "X"
    else:
        with pytest.raises(Refusal, match="given twice"):
            read_request(body, known=())


@given(given_id=st.text(max_size=30).filter(str.isprintable))
def test_an_id_comes_back_as_it_was_sent(given_id):
    body = orjson.dumps({"id": given_id, "inputs": [{"name": "X", "shape": [1], "datatype": "FP64", "data": [1]}]})

    assert read_request(body, known=()).id == given_id
