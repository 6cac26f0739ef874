"""What the answered rows look like, in the bins of the contract's reference. Filled by `served`, read by `metrics`.

A row costs the path of its request a copy; every thousand rows, or when somebody reads, they are folded into the bins at
once, and many rows are looked at where they were predicted. Bins are the contract's, so their number is bounded; `most_series`
bounds it again, for contracts of a thousand columns.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from threading import RLock
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
"""Rows that wait to be folded, at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Counts of one column's values in some rows."""

    bins: list[int]
    missing: int
    outside: int


@dataclass(kw_only=True)
class Feature:
    """Counts of one column's values, since the process began."""

    name: str
    bins: dict[str, int]
    """By number of the reference's bin from 0 on, or by word."""
    reference: dict[str, int]
    """Training rows in the same bins."""
    missing: int = 0
    outside: int = 0
    """Numbers beyond the training rows' smallest and largest, which are in the outer bins too; words that are in no bin."""
    marks: Numbers | None = None
    """For numbers: the bins' inner edges, the smallest training value, the next number above the largest, NaN."""

    def see(self, values: Any) -> Seen:
        """What there is in them. NaN and None are missing."""
        if self.marks is None:
            words = Counter(values.tolist())
            missing, bins = words.pop(None, 0), [words.pop(word, 0) for word in self.bins]
            return Seen(bins=bins, missing=missing, outside=words.total())
        # One sort, NaN last, and every count is a place in it: how many values lie below each mark.
        *inner, low, high, present = np.searchsorted(np.sort(values), self.marks).tolist()
        bins = [end - start for start, end in pairwise([0, *inner, present])]
        return Seen(bins=bins, missing=len(values) - present, outside=low + present - high)

    def take(self, seen: Seen) -> None:
        """Count it."""
        self.missing += seen.missing
        self.outside += seen.outside
        for name, count in zip(self.bins, seen.bins, strict=True):
            self.bins[name] += count


class Evidence:
    """A model version's feature counts in this process. For any thread."""

    def __init__(self, contract: ArtifactContract, *, most_series: int) -> None:
        self._features: dict[int, Feature] = {}
        for index, column in enumerate(contract.inputs):
            feature = _feature(column, contract.reference.features.get(column.name))
            if feature is not None and 2 * len(feature.bins) + 2 <= most_series:
                most_series -= 2 * len(feature.bins) + 2
                self._features[index] = feature
        # Rows of numbers are copied together: arrays that were kept would each hold a request's memory.
        self._matrix = np.empty((PENDING_ROWS, len(contract.inputs)))
        self._columns: list[tuple[Numbers | Words, ...]] = []
        self._rows = 0
        self._lock = RLock()

    def look(self, rows: Rows) -> list[Seen]:
        """What there is in many rows; `take` counts it."""
        if rows.matrix is not None:
            return [feature.see(rows.matrix[:, index]) for index, feature in self._features.items()]
        return [feature.see(rows.columns[index]) for index, feature in self._features.items()]

    def take(self, seen: list[Seen]) -> None:
        """Count what was seen."""
        with self._lock:
            for feature, one in zip(self._features.values(), seen, strict=True):
                feature.take(one)

    def add(self, rows: Rows) -> bool:
        """Take a few answered rows. Returns whether it is time to fold."""
        if not self._features:
            return False
        if rows.count > PENDING_ROWS:
            self.take(self.look(rows))  # many rows take long to look at: not while others wait for the lock
            return False
        with self._lock:
            start, end = self._rows, self._rows + rows.count
            if end > PENDING_ROWS:
                self.fold()
                self.take(self.look(rows))
                return False
            if rows.matrix is not None:
                self._matrix[start:end] = rows.matrix
            else:
                self._columns.append(rows.columns)
            self._rows = end
            return end == PENDING_ROWS

    def fold(self) -> None:
        """Count the rows that wait."""
        with self._lock:
            count, self._rows = self._rows, 0
            pending, self._columns = self._columns, []
            if pending:
                columns = tuple(np.concatenate(parts) for parts in zip(*pending, strict=True))
                self.take(self.look(Rows(count=count, columns=columns)))
            elif count:
                self.take(self.look(Rows(count=count, matrix=self._matrix[:count])))

    def features(self) -> Iterator[Feature]:
        """Everything counted so far."""
        self.fold()
        yield from self._features.values()


def _feature(
    column: NumericColumn | CategoricalColumn, histogram: NumericHistogram | CategoricalHistogram | None
) -> Feature | None:
    """What to count of a column; None where there is no reference to compare with."""
    match column, histogram:
        case NumericColumn(), NumericHistogram():
            rows = {str(number): count for number, count in enumerate(histogram.counts)}
            marks = [*histogram.edges, column.minimum, np.nextafter(column.maximum, np.inf), np.nan]
            return Feature(name=column.name, bins=dict.fromkeys(rows, 0), reference=rows, marks=np.array(marks, np.float64))
        case CategoricalColumn(), CategoricalHistogram():
            return Feature(name=column.name, bins=dict.fromkeys(histogram.counts, 0), reference=dict(histogram.counts))
    return None
