"""What the answered rows look like, in the bins of the contract's reference. Filled by `served`, read by `metrics`.

A row costs the path of its request a copy; every thousand rows, or when somebody reads, they are folded into the bins at
once. Bins are the contract's, so their number is bounded; `most_series` bounds it again, for contracts of a thousand columns.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kanarya_contracts.artifact import (
    ArtifactContract,
    CategoricalColumn,
    CategoricalHistogram,
    NumericColumn,
    NumericHistogram,
)
from kanarya_model.core.inputs import Rows
from kanarya_model.core.values import Numbers, Words

PENDING_ROWS = 1024
"""Rows that wait to be folded, about."""


@dataclass(kw_only=True)
class Feature:
    """Counts of one column's values, since the process began."""

    name: str
    bins: dict[str, int]
    """By number of the reference's bin from 0 on, or by word."""
    missing: int = 0
    outside: int = 0
    """Numbers beyond the training rows' smallest and largest, which are in the outer bins too; words that are in no bin."""
    marks: Numbers = field(default_factory=lambda: np.empty(0))
    """For numbers: the bins' inner edges, the smallest training value, the next number above the largest, NaN."""

    def take_numbers(self, values: Numbers) -> None:
        """Count them; NaN is missing."""
        # One sort, NaN last, and every count is a place in it: how many values lie below each mark.
        below: list[int] = np.searchsorted(np.sort(values), self.marks).tolist()
        *inner, low, high, present = below
        self.missing += len(values) - present
        self.outside += low + present - high
        for name, start, end in zip(self.bins, [0, *inner], [*inner, present], strict=True):
            self.bins[name] += end - start

    def take_words(self, words: Words) -> None:
        """Count them; None is missing."""
        for word, count in Counter(words.tolist()).items():
            if word is None:
                self.missing += count
            elif word in self.bins:
                self.bins[word] += count
            else:
                self.outside += count


class Evidence:
    """A model version's feature counts in this process. Used from one thread."""

    def __init__(self, contract: ArtifactContract, *, most_series: int) -> None:
        self._features: dict[int, Feature] = {}
        for index, column in enumerate(contract.inputs):
            feature = _feature(column, contract.reference.features.get(column.name))
            if feature is not None and len(feature.bins) + 2 <= most_series:
                most_series -= len(feature.bins) + 2
                self._features[index] = feature
        # Rows of numbers are copied together: arrays that were kept would each hold a request's memory.
        self._matrix = np.empty((PENDING_ROWS, len(contract.inputs)))
        self._columns: list[tuple[Numbers | Words, ...]] = []
        self._rows = 0

    def add(self, rows: Rows) -> bool:
        """Take answered rows. Returns whether it is time to fold."""
        if not self._features:
            return False
        start, end = self._rows, self._rows + rows.count
        if rows.matrix is None:
            self._columns.append(rows.columns)
        elif end <= PENDING_ROWS:
            self._matrix[start:end] = rows.matrix
        else:
            self.fold()
            self._fold_matrix(rows.matrix)
            return False
        self._rows = end
        return end >= PENDING_ROWS

    def features(self) -> Iterator[Feature]:
        """Everything counted so far."""
        self.fold()
        yield from self._features.values()

    def fold(self) -> None:
        """Count the rows that wait."""
        rows, self._rows = self._rows, 0
        pending, self._columns = self._columns, []
        if not rows:
            return
        if not pending:
            self._fold_matrix(self._matrix[:rows])
            return
        for index, feature in self._features.items():
            values: Any = np.concatenate([columns[index] for columns in pending])
            feature.take_words(values) if values.dtype == object else feature.take_numbers(values)

    def _fold_matrix(self, matrix: Numbers) -> None:
        for index, feature in self._features.items():
            feature.take_numbers(matrix[:, index])


def _feature(
    column: NumericColumn | CategoricalColumn, histogram: NumericHistogram | CategoricalHistogram | None
) -> Feature | None:
    """What to count of a column; None where there is no reference to compare with."""
    match column, histogram:
        case NumericColumn(), NumericHistogram():
            bins = {str(number): 0 for number in range(len(histogram.counts))}
            marks = [*histogram.edges, column.minimum, np.nextafter(column.maximum, np.inf), np.nan]
            return Feature(name=column.name, bins=bins, marks=np.array(marks, np.float64))
        case CategoricalColumn(), CategoricalHistogram():
            return Feature(name=column.name, bins=dict.fromkeys(histogram.counts, 0))
    return None
