"""Columns with a known kind, and rows of them: what every step after `validate` works on.

The one place that decides in which form rows are given to a model: a float64 array where all columns are numbers, else a
DataFrame in the contract's order (sklearn, skops); `X` as float32, or one tensor a column (ONNX).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from kanarya_contracts.artifact import Personal
from kanarya_training_job.tasks import Task

Kind = Literal["numeric", "categorical"]
Matrix = npt.NDArray[np.float64] | pd.DataFrame
Labels = npt.NDArray[np.str_] | npt.NDArray[np.int64] | npt.NDArray[np.float64]
"""Words, whole numbers, or the numbers of a regression: [rows], or [rows, targets] where there are several."""
Probabilities = npt.NDArray[np.float64]
"""[rows, classes], in the order of the classes."""

ONNX_MATRIX = "X"
"""Name of the ONNX graph's single input where every column is numeric."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A feature."""

    name: str
    kind: Kind
    unknown: Literal["refuse", "accept"] = "refuse"
    """Categorical: what the server is to do with a word not seen in training."""
    personal: Personal | None = None
    """What the server's request log is to do with a value."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows whose columns are what they should be: float64, or text, in the order of `columns`; the targets beside them."""

    frame: pd.DataFrame
    """The features and the targets. Index: the row's position in its source."""
    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    task: Task = "classification"

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        """Feature names, in the model's order."""
        return [column.name for column in self.columns]

    @property
    def matrix(self) -> Matrix:
        """What scikit-learn is given."""
        return matrix(self.frame, self.columns)

    @property
    def several(self) -> bool:
        """Whether there is more than one target."""
        return len(self.targets) > 1

    @property
    def whole_numbers(self) -> bool:
        """Whether the targets are classes that are numbers, not words."""
        integers = (pd.api.types.is_integer_dtype(self.frame[target]) for target in self.targets)
        return self.task == "classification" and all(integers)

    @property
    def labels(self) -> Labels:
        """The targets, as scikit-learn is given them."""
        values = self.frame[list(self.targets)] if self.several else self.frame[self.targets[0]]
        if self.task == "regression":
            return values.to_numpy(dtype=np.float64)
        return values.to_numpy(dtype=np.int64) if self.whole_numbers else values.to_numpy(dtype=np.str_)

    def words(self, target: str) -> list[str]:
        """A target as text, which is how classes are named everywhere outside this package."""
        return [str(label) for label in self.frame[target].tolist()]

    def numbers(self, target: str) -> npt.NDArray[np.float64]:
        """A regression's target."""
        return self.frame[target].to_numpy(dtype=np.float64)

    def keep(self, frame: pd.DataFrame) -> "Rows":
        """The same columns, other rows."""
        return replace(self, frame=frame)


def all_numeric(columns: Iterable[Column]) -> bool:
    """Whether one float array holds them."""
    return all(column.kind == "numeric" for column in columns)


def matrix(frame: pd.DataFrame, columns: Sequence[Column]) -> Matrix:
    """Those columns of a frame, as scikit-learn and skops are given them."""
    part = frame[[column.name for column in columns]]
    return part.to_numpy(dtype=np.float64) if all_numeric(columns) else part


def onnx_feed(frame: pd.DataFrame, columns: Sequence[Column]) -> dict[str, npt.NDArray[np.float32] | npt.NDArray[np.object_]]:
    """Those columns of a frame as ONNX Runtime is given them: `X` [rows, columns], or every column [rows, 1]."""
    if all_numeric(columns):
        return {ONNX_MATRIX: frame[[column.name for column in columns]].to_numpy(dtype=np.float32)}
    return {
        column.name: frame[[column.name]].to_numpy(dtype=np.float32 if column.kind == "numeric" else np.object_)
        for column in columns
    }
