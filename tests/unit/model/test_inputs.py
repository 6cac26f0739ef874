"""Contracts that the Iris artifacts do not have: missing values, integer, boolean and FP32 columns."""

import numpy as np
import pytest

from kanarya_contracts.datatypes import Datatype
from kanarya_contracts.testing import contract
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
        "labels": ["setosa"],
        "probabilities": [[0.5, 0.5]],
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
