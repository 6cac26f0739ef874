"""Columns with a known kind, and rows of them: what every step after `validate` works on.

The one place that decides in which form rows are given to a model: a float64 array where all columns are numbers, else a
DataFrame in the contract's order (sklearn, skops); `X` as float32, or one tensor a column (ONNX).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from kanarya_contracts.artifact import Personal

Kind = Literal["numeric", "categorical"]
Matrix = npt.NDArray[np.float64] | pd.DataFrame
Labels = npt.NDArray[np.str_] | npt.NDArray[np.int64]
"""Words, or whole numbers."""
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
    """Rows whose columns are what they should be: float64, or text, in the order of `columns`; the target beside them."""

    frame: pd.DataFrame
    """The features and the target. Index: the row's position in its source."""
    columns: tuple[Column, ...]
    target: str

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
    def whole_numbers(self) -> bool:
        """Whether the target holds numbers, not words."""
        return pd.api.types.is_integer_dtype(self.frame[self.target])

    @property
    def labels(self) -> Labels:
        """The target."""
        values = self.frame[self.target]
        return values.to_numpy(dtype=np.int64) if self.whole_numbers else values.to_numpy(dtype=np.str_)

    @property
    def words(self) -> list[str]:
        """The target as text, which is how classes are named everywhere outside this package."""
        return [str(label) for label in self.labels.tolist()]

    def keep(self, frame: pd.DataFrame) -> "Rows":
        """The same columns, other rows."""
        return Rows(frame=frame, columns=self.columns, target=self.target)


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
