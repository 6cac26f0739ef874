"""Tensors into rows, as the artifact's contract wants them. Called by every edge, and by the model for its own example.

Two forms are read (the protocol leaves the choice to the server):

    a tensor a column   named as the column, shape [n] or [n, 1], in any order, all of them
    one matrix          where every column is a number: named as in MATRIX_NAMES, shape [n, columns], in the contract's order

A column of numbers accepts FP64, FP32 and every integer datatype, as long as its own datatype holds each value exactly as sent
(floats round, as they always do); BOOL accepts BOOL; words are BYTES. FP16 is read from bytes; it has no form in JSON.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kanarya_contracts.artifact import ArtifactContract, CategoricalColumn, Column, NumericColumn
from kanarya_contracts.datatypes import FLOATS, INTEGER_RANGE, Datatype
from kanarya_model.core import values
from kanarya_model.core.refusal import Reason, Refusal, listed, quoted
from kanarya_model.core.values import Elements, Numbers, Words

MATRIX_NAMES = ("X", "input-0", "input-1")
"""Names of the matrix form: what an ONNX conversion calls its input, what KServe's examples do, what MLServer's codecs do."""

_NUMBERS_ACCEPTED = FLOATS | INTEGER_RANGE.keys()


@dataclass(kw_only=True, slots=True)  # not frozen, as whatever every request makes: that takes twice as long
class InputTensor:
    """A tensor as a client sent it: its header is checked, its elements are not."""

    name: str
    datatype: Datatype
    shape: tuple[int, ...]
    """No dimension is negative."""
    data: Elements
    """As JSON gives it, flat or nested; or an array, flat, as `raw` reads it."""
    where: str
    """For messages: `inputs[0]`."""


@dataclass(kw_only=True, slots=True)
class Rows:
    """Checked input: what a predictor gets. One of `matrix` and `columns` is there, as the contract's columns decide."""

    count: int
    matrix: Numbers | None = None
    """[count, columns], where every column is a number."""
    columns: tuple[Numbers | Words, ...] = ()
    """[count] each, in the contract's order, otherwise."""


class Inputs:
    """A contract's inputs, ready to read requests with.

    `largest` is the largest number that the loaded model computes with; `most_rows` is the server's limit.
    """

    def __init__(self, contract: ArtifactContract, *, largest: float, most_rows: int) -> None:
        self._columns = contract.inputs
        self._names = tuple(column.name for column in contract.inputs)
        self._position = {name: index for index, name in enumerate(self._names)}
        self._known = [frozenset(c.categories) if isinstance(c, CategoricalColumn) else frozenset() for c in contract.inputs]
        self._all_numbers = all(isinstance(column, NumericColumn) for column in contract.inputs)
        self._nullable = np.array([column.nullable for column in contract.inputs])
        self._any_nullable = bool(self._nullable.any())
        fp32 = any(column.datatype is Datatype.FP32 for column in contract.inputs)
        self._largest = min(largest, values.LARGEST_FP32) if fp32 else largest
        self._integers = [i for i, column in enumerate(contract.inputs) if column.datatype in INTEGER_RANGE]
        self.takes_matrix = self._all_numbers and all(column.datatype is not Datatype.BOOL for column in contract.inputs)
        """Whether one tensor may carry every column."""
        self._most_rows = most_rows

    def rows(self, tensors: Sequence[InputTensor]) -> Rows:
        """The request's rows. Raises Refusal."""
        if len(tensors) == 1 and self.takes_matrix and self._is_matrix(tensors[0]):
            return self._from_matrix(tensors[0])
        return self._from_columns(tensors)

    def outside(self, rows: Rows) -> str | None:
        """The first value that lies outside of what the model was trained on, in words; None if all lie inside."""
        for index, column in enumerate(self._columns):
            if not isinstance(column, NumericColumn):
                continue
            array = rows.columns[index] if rows.matrix is None else rows.matrix[:, index]
            wrong = np.flatnonzero((array < column.minimum) | (array > column.maximum))
            if wrong.size:
                row = int(wrong[0])
                trained = f"trained on {column.minimum:g} to {column.maximum:g}"
                return f"row {row}: {quoted(column.name)} is {array[row]:g}, {trained}"
        return None

    # --- one matrix ---------------------------------------------------------------------------------------------------

    def _is_matrix(self, tensor: InputTensor) -> bool:
        if tensor.name not in MATRIX_NAMES:
            return False
        return tensor.name not in self._position or (len(tensor.shape) == 2 and tensor.shape[1] > 1)

    def _from_matrix(self, tensor: InputTensor) -> Rows:
        where, shape, width = tensor.where, tensor.shape, len(self._names)
        if tensor.datatype not in _NUMBERS_ACCEPTED:
            raise self._wrong_datatype(tensor, "a float or integer datatype for a matrix of the model's columns")
        if len(shape) != 2 or shape[1] != width:
            message = f"{where}.shape: got {_shape(shape)}, expected [rows, {width}]: one column each for {listed(self._names)}"
            raise Refusal(Reason.SHAPE, message)
        count = self._count(shape[0], where)
        elements = values.flat(tensor.data, shape, where)
        array = values.numbers(elements, tensor.datatype, where, nullable=self._any_nullable, largest=self._largest)
        matrix = array.reshape(count, width)
        if self._any_nullable:
            self._check_missing(matrix, where)
        for index in self._integers:
            column = self._columns[index]
            values.check_integral(matrix[:, index], column.datatype, column.name)
        return Rows(count=count, matrix=matrix)

    def _check_missing(self, matrix: Numbers, where: str) -> None:
        wrong = np.argwhere(np.isnan(matrix) & ~self._nullable)
        if wrong.size:
            row, column = (int(part) for part in wrong[0])
            name = quoted(self._names[column])
            raise Refusal(
                Reason.VALUE, f"{where}.data: row {row} has no value for {name}, and the model accepts no missing one"
            )

    # --- a tensor a column --------------------------------------------------------------------------------------------

    def _from_columns(self, tensors: Sequence[InputTensor]) -> Rows:
        self._check_names(tensors)
        ordered = sorted(tensors, key=lambda tensor: self._position[tensor.name])
        count = self._column_length(ordered[0])
        arrays: list[Any] = []
        for index, tensor in enumerate(ordered):
            length = self._column_length(tensor)
            if length != count:
                message = f"{tensor.where}.shape: got {length} rows, expected {count} as in input {quoted(ordered[0].name)}"
                raise Refusal(Reason.SHAPE, message)
            arrays.append(self._column(index, tensor))
        if self._all_numbers:
            return Rows(count=count, matrix=np.stack(arrays, axis=1))
        return Rows(count=count, columns=tuple(arrays))

    def _check_names(self, tensors: Sequence[InputTensor]) -> None:
        seen = set()
        for tensor in tensors:
            if tensor.name not in self._position:
                raise Refusal(
                    Reason.TENSOR,
                    f"{tensor.where}.name: got {quoted(tensor.name)}, expected one of {listed(self._names)}{self._or_matrix()}",
                )
            if tensor.name in seen:
                raise Refusal(Reason.TENSOR, f"{tensor.where}.name: input {quoted(tensor.name)} is given twice")
            seen.add(tensor.name)
        missing = tuple(name for name in self._names if name not in seen)
        if missing:
            got = f"got {len(tensors)} of {len(self._names)} columns"
            raise Refusal(Reason.TENSOR, f"inputs: {got}, {listed(missing)} missing{self._or_matrix()}")

    def _or_matrix(self) -> str:
        if not self.takes_matrix:
            return ""
        return f', or one tensor "{MATRIX_NAMES[0]}" of shape [rows, {len(self._names)}]'

    def _column_length(self, tensor: InputTensor) -> int:
        shape = tensor.shape
        if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)):
            message = f"{tensor.where}.shape: got {_shape(shape)}, expected [rows] or [rows, 1] for {quoted(tensor.name)}"
            raise Refusal(Reason.SHAPE, message)
        return self._count(shape[0], tensor.where)

    def _column(self, index: int, tensor: InputTensor) -> Numbers | Words:
        column = self._columns[index]
        accepted = _accepted(column)
        if tensor.datatype not in accepted:
            raise self._wrong_datatype(tensor, f"{', '.join(sorted(accepted))} for {quoted(column.name)}")
        elements = values.flat(tensor.data, tensor.shape, tensor.where)
        if isinstance(column, CategoricalColumn):
            array = values.words(elements, tensor.where, nullable=column.nullable)
            if column.unknown == "refuse":
                self._check_known(index, elements, tensor.where)
            return array
        numbers = values.numbers(elements, tensor.datatype, tensor.where, nullable=column.nullable, largest=self._largest)
        if column.datatype in INTEGER_RANGE:
            values.check_integral(numbers, column.datatype, column.name)
        return numbers

    def _check_known(self, index: int, elements: Elements, where: str) -> None:
        known = self._known[index]
        if known.issuperset(elements):
            return
        wrong = next(((i, word) for i, word in enumerate(elements) if word not in known and isinstance(word, str)), None)
        if wrong is not None:
            row, word = wrong
            some = listed(tuple(sorted(known)))
            raise Refusal(Reason.VALUE, f"{where}.data[{row}]: got {quoted(word)}, expected one of {some}")

    # --- both ---------------------------------------------------------------------------------------------------------

    def _count(self, rows: int, where: str) -> int:
        if rows == 0:
            raise Refusal(Reason.SHAPE, f"{where}.shape: got no rows, expected at least 1")
        if rows > self._most_rows:
            raise Refusal(Reason.LIMIT, f"{where}.shape: got {rows} rows, expected at most {self._most_rows} in a request")
        return rows

    def _wrong_datatype(self, tensor: InputTensor, expected: str) -> Refusal:
        return Refusal(Reason.DATATYPE, f"{tensor.where}.datatype: got {tensor.datatype}, expected {expected}")


def _accepted(column: Column) -> frozenset[Datatype]:
    """Datatypes in which a column's values may be sent."""
    if isinstance(column, CategoricalColumn):
        return frozenset({Datatype.BYTES})
    return frozenset({Datatype.BOOL}) if column.datatype is Datatype.BOOL else _NUMBERS_ACCEPTED


def _shape(shape: tuple[int, ...]) -> str:
    return str(list(shape)) if len(shape) <= 8 else f"{len(shape)} dimensions"
