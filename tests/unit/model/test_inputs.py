"""Contracts that the Iris artifacts do not have: missing values, integer, boolean and FP32 columns; and arrays for lists."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_contracts.testing import contract
from kanarya_model.core import raw, values
from kanarya_model.core.inputs import Inputs, InputTensor
from kanarya_model.core.refusal import Refusal
from kanarya_model.core.values import LARGEST_FP64

HISTOGRAMS = {"rows": 1, "features": {}, "predictions": {}}


def inputs(*columns):
    """Columns as (name, datatype, nullable); BYTES is a column of the words a and b."""
    described = []
    for name, datatype, nullable in columns:
        if datatype == "BYTES":
            described.append({"kind": "categorical", "name": name, "categories": ["a", "b"], "nullable": nullable})
        else:
            bounds = {"minimum": 0, "maximum": 9}
            described.append({"kind": "numeric", "name": name, "datatype": datatype, "nullable": nullable, **bounds})
    example = {
        "inputs": {name: [1 if datatype != "BYTES" else "a"] for name, datatype, _ in columns},
        "outputs": {"label": ["setosa"], "probabilities": [[0.5, 0.5]]},
    }
    return Inputs(contract(inputs=described, example=example, reference=HISTOGRAMS), largest=LARGEST_FP64, most_rows=10)


def tensor(name, datatype, data, shape=None):
    where = f"inputs[{name}]"
    return InputTensor(name=name, datatype=Datatype(datatype), shape=tuple(shape or [len(data)]), data=data, where=where)


def test_null_is_missing_where_the_column_may_be_missing():
    rows = inputs(("x", "FP64", True), ("y", "FP64", False)).rows([tensor("X", "FP64", [None, 1, 2.5, 3], [2, 2])])

    assert np.array_equal(rows.matrix, [[np.nan, 1], [2.5, 3]], equal_nan=True)


def test_null_is_refused_where_it_may_not_be_missing_even_beside_one_that_may():
    read = inputs(("x", "FP64", True), ("y", "FP64", False))

    with pytest.raises(Refusal, match='row 1 has no value for "y"'):
        read.rows([tensor("X", "FP64", [1, 1, 1, None], [2, 2])])
    with pytest.raises(Refusal, match=r"inputs\[y\].data\[0\]: got null"):
        read.rows([tensor("x", "FP64", [None]), tensor("y", "FP64", [None])])


def test_null_is_a_missing_word_where_the_column_may_be_missing():
    rows = inputs(("g", "BYTES", True)).rows([tensor("g", "BYTES", ["a", None])])

    assert rows.columns[0].tolist() == ["a", None]
    with pytest.raises(Refusal, match=r"data\[0\]: got null"):
        inputs(("g", "BYTES", False)).rows([tensor("g", "BYTES", [None])])


@pytest.mark.parametrize(
    ("datatype", "data", "words"),
    [
        ("FP64", [1.5], "column 'x', row 0: got the number 1.5, expected an integer from -128 to 127"),
        ("INT64", [300], "got the number 300, expected an integer from -128 to 127"),
    ],
)
def test_an_integer_column_takes_only_what_it_holds(datatype, data, words):
    read = inputs(("x", "INT8", False), ("y", "FP64", False))

    with pytest.raises(Refusal, match=words):
        read.rows([tensor("x", datatype, data), tensor("y", "FP64", [0.5])])
    with pytest.raises(Refusal, match=words):
        read.rows([tensor("X", "FP64", [*data, 0.5], [1, 2])])
    assert read.rows([tensor("X", "FP64", [7.0, 0.5], [1, 2])]).matrix.tolist() == [[7.0, 0.5]]


def test_an_integer_column_may_be_missing():
    rows = inputs(("x", "INT8", True)).rows([tensor("x", "FP64", [None, 7])])

    assert np.array_equal(rows.matrix, [[np.nan], [7]], equal_nan=True)


def test_a_boolean_column_takes_booleans_and_no_matrix():
    read = inputs(("x", "BOOL", False))

    assert read.rows([tensor("x", "BOOL", [True, False])]).matrix.tolist() == [[1.0], [0.0]]
    assert not read.takes_matrix
    for datatype, element in (("FP64", 1.0), ("INT8", 1)):
        with pytest.raises(Refusal, match="expected BOOL"):
            read.rows([tensor("x", datatype, [element])])
    for element in (2, "true", 1):
        with pytest.raises(Refusal, match="expected true or false"):
            read.rows([tensor("x", "BOOL", [element])])


def test_numbers_in_bytes_are_refused():
    with pytest.raises(Refusal, match="got the number 5, expected a string for BYTES"):
        inputs(("g", "BYTES", False)).rows([tensor("g", "BYTES", [5])])


def test_an_fp32_column_refuses_what_fp32_cannot_hold():
    with pytest.raises(Refusal, match=r"1e\+39"):
        inputs(("x", "FP32", False)).rows([tensor("x", "FP64", [1e39])])


def test_an_integer_that_fp64_cannot_hold_exactly_is_refused():
    read = inputs(("x", "INT64", False))

    with pytest.raises(Refusal, match="9007199254740993, which the model's FP64 cannot hold exactly"):
        read.rows([tensor("x", "INT64", [2**53 + 1])])
    assert read.rows([tensor("x", "INT64", [2**60])]).matrix.tolist() == [[2**60]]


def test_columns_of_different_lengths_are_refused():
    read = inputs(("x", "FP64", False), ("y", "FP64", False))

    with pytest.raises(Refusal, match='got 2 rows, expected 1 as in input "x"'):
        read.rows([tensor("y", "FP64", [1, 2]), tensor("x", "FP64", [1])])


def test_a_missing_column_is_named_with_the_other_form():
    with pytest.raises(Refusal, match=r'got 1 of 2 columns, "y" missing, or one tensor "X" of shape \[rows, 2\]'):
        inputs(("x", "FP64", False), ("y", "FP64", False)).rows([tensor("x", "FP64", [1])])


def test_a_column_that_is_called_x_is_that_column_unless_the_shape_says_matrix():
    read = inputs(("X", "FP64", False), ("y", "FP64", False))

    assert read.rows([tensor("X", "FP64", [1, 2], [1, 2])]).matrix.tolist() == [[1, 2]]
    assert read.rows([tensor("y", "FP64", [2]), tensor("X", "FP64", [1])]).matrix.tolist() == [[1, 2]]
    with pytest.raises(Refusal, match='"y" missing'):
        read.rows([tensor("X", "FP64", [1], [1, 1])])


# --- arrays where JSON would give lists -------------------------------------------------------------------------------


def array_of(name, datatype, array, shape=None):
    given_shape = tuple(shape or array.shape)
    return InputTensor(name=name, datatype=Datatype(datatype), shape=given_shape, data=array.ravel(), where=f"inputs[{name}]")


READ = inputs(("x", "FP64", True), ("y", "INT8", False))
NUMBER = st.sampled_from([0, 1, 7, -128, 127, 128, 2.5, 1e39, -1e308, 2**53 + 1, 2**63 - 1]) | st.floats(width=32)


@given(
    data=st.data(),
    datatype=st.sampled_from(sorted({*FLOATS, *INTEGER_RANGE} - {Datatype.FP16})),
    elements=st.lists(NUMBER, min_size=2, max_size=2),
)
def test_an_array_is_taken_exactly_when_the_same_numbers_in_json_are(data, datatype, elements):
    with np.errstate(all="ignore"):
        array = np.array(elements).astype(raw.DTYPES[datatype])
    listed = [None if isinstance(value, float) and np.isnan(value) else value for value in array.tolist()]
    shape = data.draw(st.sampled_from([(1, 2), (2, 1)]))
    one = InputTensor(name="X", datatype=datatype, shape=shape, data=listed, where="t")
    other = InputTensor(name="X", datatype=datatype, shape=shape, data=array, where="t")

    assert outcome(one) == outcome(other)


def outcome(sent):
    try:
        return READ.rows([sent]).matrix.astype(float).tobytes()
    except Refusal as refusal:
        return refusal.reason


def test_an_fp32_matrix_reaches_the_model_as_it_came():
    array = np.array([[1.5, 2.5]], np.float32)
    read = inputs(("x", "FP64", False), ("y", "FP64", False))

    assert np.shares_memory(read.rows([array_of("X", "FP32", array)]).matrix, array)


@pytest.mark.parametrize(
    ("datatype", "array", "words"),
    [
        ("FP64", np.array([np.inf]), "got the number inf, expected at most"),
        ("FP32", np.array([np.nan], np.float32), r"inputs\[x\].data\[0\]: got NaN, and the model accepts no missing value"),
        ("FP16", np.array([-np.inf], np.float16), "got the number -inf"),
        ("UINT8", np.array([300], np.uint32), r"data\[0\]: got the number 300, expected 0 to 255 for UINT8"),
        ("INT64", np.array([2**53 + 1]), "9007199254740993, which the model's FP64 cannot hold exactly"),
        ("INT8", np.array([1.0]), "got an array of float64, expected an integer"),
        ("BOOL", np.array([True]), "datatype: got BOOL"),
        ("FP64", np.array([1.0, 2.0]), "got 2 elements, expected 1"),
    ],
)
def test_an_array_is_refused_as_json_is(datatype, array, words):
    with pytest.raises(Refusal, match=words):
        inputs(("x", "FP64", False)).rows([array_of("x", datatype, array, shape=[1])])


def test_halves_booleans_and_words_come_as_arrays():
    read = inputs(("x", "FP64", False), ("b", "BOOL", False), ("g", "BYTES", False))
    half = raw.read(np.float16(1.5).tobytes(), Datatype.FP16, [1], "t")

    rows = read.rows([
        array_of("x", "FP16", half),
        array_of("b", "BOOL", np.array([True])),
        array_of("g", "BYTES", raw.text([b"a"], "t")),
    ])  # fmt: skip

    assert [column.tolist() for column in rows.columns] == [[1.5], [1.0], ["a"]]
    with pytest.raises(Refusal, match='got "c", expected one of "a", "b"'):
        read.rows([
            array_of("x", "FP16", half),
            array_of("b", "BOOL", np.array([True])),
            array_of("g", "BYTES", raw.text([b"c"], "t")),
        ])  # fmt: skip


def test_fp16_in_a_list_is_refused():
    with pytest.raises(Refusal, match="FP16 has no form in JSON"):
        values.numbers([1.0], Datatype.FP16, "t", nullable=False, largest=1.0)
