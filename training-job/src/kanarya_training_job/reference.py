"""What an artifact says about its rows: the columns with their ranges, histograms of the training rows, and an example with
the answers it must give. Pure. Called by `package`."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from kanarya_contracts import artifact
from kanarya_training_job.evaluation import Answers
from kanarya_training_job.features import Column, Rows

BINS = 10
"""Of a numeric histogram, with equal counts where values allow: few enough to compare in a minute of traffic."""

EXAMPLE_ROWS = 5
"""At least; one more where there are more classes than that among the answers."""

EXAMPLE_TOLERANCE = 1e-3
"""Largest absolute difference of an example's probability between machines. Float32 on another CPU stays far below it."""


def inputs(train: Rows, *, nullable: bool) -> tuple[artifact.Column, ...]:
    """The columns as the server is to take them. `nullable`: the model has an imputer, so numbers may be missing."""
    return tuple(_input(column, train.frame[column.name], nullable) for column in train.columns)


def _input(column: Column, values: pd.Series, nullable: bool) -> artifact.Column:
    if column.kind == "categorical":
        words = tuple(sorted(set(values)))
        return artifact.CategoricalColumn(name=column.name, categories=words, unknown=column.unknown, personal=column.personal)
    low, high = float(values.min()), float(values.max())
    return artifact.NumericColumn(name=column.name, minimum=low, maximum=high, nullable=nullable, personal=column.personal)


def reference(train: Rows, answers: Answers) -> artifact.Reference:
    """The training rows' histograms; the counts of `answers`, which are those on the held-out rows."""
    return artifact.Reference(
        rows=len(train),
        features={column.name: _histogram(column, train.frame[column.name]) for column in train.columns},
        predictions={name: answers.labels.count(name) for name in answers.classes},
    )


def _histogram(column: Column, values: pd.Series) -> artifact.Histogram:
    present = values.dropna()
    missing = len(values) - len(present)
    if column.kind == "categorical":
        return artifact.CategoricalHistogram(counts=dict(sorted(Counter(present).items())), missing=missing)
    numbers = present.to_numpy(dtype=np.float64)
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))
    counts = np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1)
    return artifact.NumericHistogram(edges=tuple(edges.tolist()), counts=tuple(counts.tolist()), missing=missing)


def example(holdout: Rows, answers: Answers, *, whole_numbers: bool) -> artifact.Example:
    """A few held-out rows, every class that is answered among them, with scikit-learn's answers.

    `whole_numbers`: labels are written as numbers, as the server's tensor has them.
    """
    chosen = _chosen(answers.labels)
    part = holdout.frame.iloc[chosen]
    return artifact.Example(
        inputs={column.name: _values(part[column.name]) for column in holdout.columns},
        labels=tuple(int(answers.labels[row]) if whole_numbers else answers.labels[row] for row in chosen),
        probabilities=tuple(tuple(row) for row in answers.probabilities[chosen].tolist()),
        tolerance=EXAMPLE_TOLERANCE,
    )


def frame_of(shown: artifact.Example) -> pd.DataFrame:
    """An example's rows, missing numbers as NaN."""
    return pd.DataFrame({name: list(values) for name, values in shown.inputs.items()}).infer_objects().fillna(np.nan)


def _chosen(labels: Sequence[str]) -> list[int]:
    """The first row of every label, then the first of the others, up to EXAMPLE_ROWS; ascending."""
    first = list({label: row for row, label in reversed(list(enumerate(labels)))}.values())
    others = [row for row in range(len(labels)) if row not in first]
    return sorted([*first, *others[: max(0, EXAMPLE_ROWS - len(first))]])


def _values(values: pd.Series) -> tuple[float | str | None, ...]:
    return tuple(None if pd.isna(value) else value for value in values.tolist())
