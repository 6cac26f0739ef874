"""Rows of text into V2 documents and answers back into rows."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_cli import v2
from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.problems import KanaryaError

INPUTS = (
    v2.Input(name="length", datatype=Datatype.FP64, rank=1),
    v2.Input(name="count", datatype=Datatype.INT64, rank=2),
    v2.Input(name="garden", datatype=Datatype.BYTES, rank=1),
)


def test_a_row_of_text_takes_the_columns_types_and_leaves_other_columns_out() -> None:
    rows = v2.typed_rows(INPUTS, [{"length": "5.1", "count": "2", "garden": "north", "species": "setosa"}])
    assert rows == [{"length": 5.1, "count": 2, "garden": "north"}]


def test_an_empty_cell_is_a_missing_number() -> None:
    assert v2.typed_rows(INPUTS[:1], [{"length": " "}]) == [{"length": None}]


def test_every_cell_that_does_not_fit_is_named() -> None:
    with pytest.raises(KanaryaError) as caught:
        v2.typed_rows(INPUTS, [{"length": "long", "count": "2", "garden": "a"}, {"length": "1", "count": "2.5", "garden": "b"}])
    assert "row 1: length: got 'long', expected FP64" in str(caught.value)
    assert "row 2: count: got '2.5', expected INT64" in str(caught.value)


@pytest.mark.parametrize("text", ["nan", "inf", "-Infinity"])
def test_what_json_has_no_number_for_is_named_as_any_other_cell(text: str) -> None:
    with pytest.raises(KanaryaError, match=f"row 1: length: got '{text}', expected FP64"):
        v2.typed_rows(INPUTS[:1], [{"length": text}])


def test_a_missing_column_is_named_with_those_that_are_there() -> None:
    with pytest.raises(KanaryaError, match=r"row 1 has no count, garden; it has: length, width"):
        v2.typed_rows(INPUTS, [{"length": "1", "width": "2"}])


def test_the_request_has_a_tensor_a_column_in_the_shape_the_model_declares() -> None:
    body = v2.request_body(INPUTS[:2], [{"length": 1.5, "count": 1}, {"length": 2.5, "count": 2}])
    assert body == {
        "inputs": [
            {"name": "length", "datatype": "FP64", "shape": [2], "data": [1.5, 2.5]},
            {"name": "count", "datatype": "INT64", "shape": [2, 1], "data": [1, 2]},
        ]
    }


@given(rows=st.integers(1, 20), classes=st.integers(2, 5))
def test_a_flat_tensor_becomes_a_row_a_row(rows: int, classes: int) -> None:
    flat = [float(number) for number in range(rows * classes)]
    answer = v2.answer_of(
        {
            "model_version": "3",
            "outputs": [
                {"name": "label", "shape": [rows], "data": ["a"] * rows},
                {"name": "probabilities", "shape": [rows, classes], "data": flat},
            ],
        }
    )
    assert answer.version == "3"
    assert answer.labels == ("a",) * rows
    assert [value for row in answer.outputs["probabilities"].rows for value in row] == flat
    assert {len(row) for row in answer.outputs["probabilities"].rows} == {classes}


def _client(answer: httpx.Response | Exception) -> v2.Client:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return v2.Client("http://gateway", "iris", transport=httpx.MockTransport(handle))


def test_a_servers_refusal_reaches_the_person_in_its_own_words() -> None:
    refusal = httpx.Response(400, json={"error": "inputs[0].datatype: got 'FP99', expected FP64"})
    with pytest.raises(KanaryaError, match=r"answered 400: inputs\[0\].datatype: got 'FP99', expected FP64"):
        _client(refusal).inputs()


def test_an_answer_that_is_not_json_is_shown() -> None:
    with pytest.raises(KanaryaError, match="answered 502 with something that is not JSON: 'Bad Gateway'"):
        _client(httpx.Response(502, text="Bad Gateway")).inputs()


def test_a_gateway_that_does_not_answer_is_named_with_what_to_do() -> None:
    with pytest.raises(KanaryaError, match=r"http://gateway does not answer .* \(kanarya local status\)"):
        _client(httpx.ConnectError("refused")).inputs()


@pytest.mark.parametrize("document", [{}, [1], {"inputs": None}, {"inputs": [{"name": "a", "datatype": "FP99", "shape": [1]}]}])
def test_whoever_speaks_another_protocol_is_quoted_and_called_no_model_server(document: object) -> None:
    with pytest.raises(KanaryaError, match=r"answered with JSON that is not the V2 protocol's: .* Is it a model server\?"):
        _client(httpx.Response(200, json=document)).inputs()


def test_an_address_that_is_none_is_repeated() -> None:
    with pytest.raises(KanaryaError, match=r"http://127\.0\.0\.1:99999 does not answer"):
        v2.Client("http://127.0.0.1:99999", "iris").inputs()
