"""A loaded model behind its contract: rows in, a checked prediction out. Called by edges; made by `server`.

What a predictor returns is not believed: shapes are compared, every probability must be finite. A model that fails on a row
like those it was trained on is at fault (`ModelFault`); one that fails on a number far outside is asked the impossible, and
that is the client's mistake (`Refusal`), so that nobody can push a model's error rate up by sending nonsense.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kanarya_contracts.artifact import ArtifactContract, Column, NumericColumn
from kanarya_contracts.datatypes import Datatype
from kanarya_model.core.inputs import Inputs, InputTensor, Rows
from kanarya_model.core.refusal import ModelFault, Reason, Refusal


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """A model's answer for every row."""

    labels: NDArray[Any]
    """[rows], of str objects or int64, as the contract's `label` output says."""
    probabilities: NDArray[Any]
    """[rows, classes], float32 or float64, in the order of the contract's classes."""

    def output(self, name: str) -> NDArray[Any]:
        """The elements of an output that the contract names."""
        return self.labels if name == "label" else self.probabilities

    def part(self, start: int, end: int) -> "Prediction":
        """The answer for the rows from `start` up to `end`; the same memory."""
        return Prediction(labels=self.labels[start:end], probabilities=self.probabilities[start:end])


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
        self._example_inputs = Inputs(contract, largest=predictor.largest, most_rows=len(contract.example.labels))
        self._width = len(contract.classes)
        self._classes = frozenset(contract.classes)

    def predict(self, rows: Rows) -> Prediction:
        """Labels and probabilities. Raises Refusal where a value is out of reach, ModelFault where the model is wrong."""
        try:
            prediction = self._predictor.predict(rows)
        except Exception as error:  # whatever the model's library raises
            raise self._fault(rows, f"{type(error).__name__}: {error}") from error
        labels, probabilities = prediction.labels, prediction.probabilities
        if labels.shape != (rows.count,) or probabilities.shape != (rows.count, self._width):
            raise ModelFault(
                f"the model answered {labels.shape} labels and {probabilities.shape} probabilities for {rows.count} rows"
            )
        if not self._classes.issuperset(map(str, labels.tolist())):
            raise ModelFault(f"the model answered labels that are none of its classes {sorted(self._classes)}")
        # A sum of probabilities is finite exactly when each of them is.
        if not math.isfinite(np.add.reduce(probabilities, axis=None)):
            raise self._fault(rows, "a probability is not a finite number")
        return prediction

    def example_problems(self) -> list[str]:
        """What is wrong with this model's answers to the artifact's own example, read as a client's request is."""
        try:
            prediction = self.predict(self._example_inputs.rows(example_tensors(self.contract)))
        except (Refusal, ModelFault) as error:
            return [f"the example cannot be answered: {error}"]
        return self.contract.example_problems(prediction.labels.tolist(), prediction.probabilities.tolist())

    def _fault(self, rows: Rows, what: str) -> Refusal | ModelFault:
        outside = self.inputs.outside(rows)
        if outside is not None:
            return Refusal(Reason.RANGE, f"the model has no finite answer so far from its training: {outside}")
        return ModelFault(what)


def example_tensors(contract: ArtifactContract) -> list[InputTensor]:
    """The example as a request: a tensor a column."""
    example = contract.example
    return [
        InputTensor(
            name=column.name,
            datatype=_example_datatype(column),
            shape=(len(example.labels),),
            data=list(example.inputs[column.name]),
            where=f"example.inputs.{column.name}",
        )
        for column in contract.inputs
    ]


def _example_datatype(column: Column) -> Datatype:
    # FP64 for every number: in a contract an integer may stand as 5.0, and the column's own datatype is checked either way.
    return Datatype.FP64 if isinstance(column, NumericColumn) and column.datatype is not Datatype.BOOL else column.datatype
