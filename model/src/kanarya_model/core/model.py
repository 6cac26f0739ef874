"""A loaded model behind its contract: rows in, a checked prediction out. Called by edges; made by `server`.

What a predictor returns is not believed: shapes are compared, every label must be a class and every number finite. A model that
fails on a row like those it was trained on is at fault (`ModelFault`); one that fails on a number far outside is asked the
impossible, and that is the client's mistake (`Refusal`), so that nobody can push a model's error rate up by sending nonsense.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, Column, NumericColumn
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core import raw
from kanarya_model.core.inputs import Inputs, InputTensor, Rows
from kanarya_model.core.labels import Labels, label_classes
from kanarya_model.core.refusal import ModelFault, Reason, Refusal

_FEW = 16


@dataclass(kw_only=True, slots=True)
class Prediction:
    """A model's answer for every row."""

    outputs: Mapping[str, NDArray[Any] | Labels]
    """By the contract's names, rows first. A classifier's labels are `Labels`; a predictor may say them in words, or in whole
    numbers, too."""

    def output(self, name: str) -> NDArray[Any]:
        """The elements of an output that the contract names."""
        answer = self.outputs[name]
        return answer.elements() if isinstance(answer, Labels) else answer

    def labels(self, name: str) -> Labels:
        """The labels of an output that the contract names so, once `Model` has seen them."""
        answer = self.outputs[name]
        assert isinstance(answer, Labels)  # noqa: S101 (`Model.predict` has made them of words)
        return answer

    def in_bytes(self, name: str, datatype: Datatype) -> bytes | memoryview:
        """An output of that datatype as the protocol's bytes."""
        answer = self.outputs[name]
        return answer.in_bytes() if isinstance(answer, Labels) else raw.write(answer, datatype)

    def part(self, start: int, end: int) -> "Prediction":
        """The answer for the rows from `start` up to `end`; the same memory."""
        return Prediction(outputs={name: answer[start:end] for name, answer in self.outputs.items()})


class Predictor(Protocol):
    """A model's file, loaded. One file in `loaders/` per kind."""

    largest: float
    """The largest number that it computes with: that of FP32 or FP64."""
    quick: bool
    """Whether a few rows take it less time than a change of threads does."""

    def predict(self, rows: Rows) -> Prediction:
        """The answer for every row. May raise whatever its library raises. Called from several threads."""
        ...


class Model:
    """One version of a model, ready to answer."""

    def __init__(
        self, *, contract: ArtifactContract, predictor: Predictor, name: str, version: str, digest: str, most_rows: int
    ) -> None:
        self.contract = contract
        self.name = name
        self.version = version
        self.digest = digest
        self.inputs = Inputs(contract, largest=predictor.largest, most_rows=most_rows)
        self.outputs = tuple(tensor.name for tensor in contract.outputs)
        self.quick = predictor.quick
        self._predictor = predictor
        # The example is the artifact's, so the limit on clients is not its.
        self._example_inputs = Inputs(contract, largest=predictor.largest, most_rows=contract.example.rows)
        classes = label_classes(contract)
        self._expected = [(tensor.name, tensor.shape[1:], classes.get(tensor.name)) for tensor in contract.outputs]

    def predict(self, rows: Rows) -> Prediction:
        """Every output. Raises Refusal where a value is out of reach, ModelFault where the model is wrong."""
        try:
            prediction = self._predictor.predict(rows)
        except Exception as error:  # whatever the model's library raises
            raise self._fault(rows, f"{type(error).__name__}: {error}") from error
        named: dict[str, Labels] = {}
        for name, width, classes in self._expected:
            answer = prediction.outputs[name]
            if answer.shape != (rows.count, *width):
                raise ModelFault(f"the model answered {answer.shape} {name} for {rows.count} rows")
            if isinstance(answer, Labels):
                continue
            if classes is not None:
                try:
                    named[name] = classes.among(answer)
                except KeyError:
                    raise ModelFault(f"the model answered a {name} that is none of its classes {classes.names}") from None
            # Where a sum is finite, each of its terms is; where it is not, it may be their number.
            elif not math.isfinite(_sum(answer)) and not np.isfinite(answer).all():
                raise self._fault(rows, f"{name} has an element that is not a finite number")
        return Prediction(outputs={**prediction.outputs, **named}) if named else prediction

    def example_rows(self) -> Rows:
        """The artifact's own example, read as a client's request is. Raises Refusal."""
        return self._example_inputs.rows(example_tensors(self.contract))

    def example_problems(self) -> list[str]:
        """What is wrong with this model's answers to the artifact's own example."""
        try:
            prediction = self.predict(self.example_rows())
        except (Refusal, ModelFault) as error:
            return [f"the example cannot be answered: {error}"]
        return self.contract.example_problems({name: prediction.output(name).ravel().tolist() for name in self.outputs})

    def _fault(self, rows: Rows, what: str) -> Refusal | ModelFault:
        outside = self.inputs.outside(rows)
        if outside is not None:
            return Refusal(Reason.RANGE, f"the model has no finite answer so far from its training: {outside}")
        return ModelFault(what)


def _sum(array: NDArray[Any]) -> float:
    # A few numbers are added up before numpy has begun.
    return sum(array.ravel().tolist()) if array.size <= _FEW else float(np.add.reduce(array, axis=None))


def example_tensors(contract: ArtifactContract) -> list[InputTensor]:
    """The example as a request: a tensor a column."""
    example = contract.example
    return [
        InputTensor(
            name=column.name,
            datatype=_example_datatype(column),
            shape=(example.rows,),
            data=list(example.inputs[column.name]),
            where=f"example.inputs.{column.name}",
        )
        for column in contract.inputs
    ]


def _example_datatype(column: Column) -> Datatype:
    # FP64 for every number: in a contract an integer may stand as 5.0, and the column's own datatype is checked either way.
    return Datatype.FP64 if isinstance(column, NumericColumn) and column.datatype is not Datatype.BOOL else column.datatype
