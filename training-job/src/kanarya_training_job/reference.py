"""What an artifact says about its rows: columns with their ranges, targets, histograms of the training rows and of predictions,
and an example with the answers it must give. Pure. Called by `package`.

Two versions' predictions of a number are compared bin by bin, and their errors as shares of a bound. So a version takes edges
and bound over from the champion that it is measured against (`like`), and only the first of a line makes its own.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from kanarya_contracts import artifact
from kanarya_training_job.evaluation import Answers, ClassAnswers, NumberAnswers, Numbers
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


def targets(
    train: Rows, classes: Sequence[Sequence[str]], *, bounds: Mapping[str, float], like: artifact.ArtifactContract | None
) -> tuple[artifact.Target, ...]:
    """What is predicted. `classes`: of each target, nothing for a regression. `bounds`: errors' bounds that were asked for."""
    starts = {target: f"{target}." if train.several else "" for target in train.targets}
    if train.task == "classification":
        return tuple(
            artifact.CategoricalTarget(
                name=target, classes=tuple(own), label=f"{start}label", probabilities=f"{start}probabilities"
            )
            for (target, start), own in zip(starts.items(), classes, strict=True)
        )
    return tuple(
        artifact.NumericTarget(
            name=target,
            value=f"{start}value",
            error_bound=bounds.get(target) or _bound_like(target, like) or _spread(train.numbers(target)),
        )
        for target, start in starts.items()
    )


def _bound_like(target: str, like: artifact.ArtifactContract | None) -> float | None:
    found = [one for one in (like.targets if like else ()) if one.name == target]
    return found[0].error_bound if found and isinstance(found[0], artifact.NumericTarget) else None


def _spread(values: Numbers) -> float:
    """From the 5th to the 95th percentile, or all there is where those coincide; two digits, for people to remember."""
    low, high = np.quantile(values, [0.05, 0.95])
    return float(f"{float(high - low) or float(np.ptp(values)):.2g}")


def reference(train: Rows, answers: Answers, like: artifact.ArtifactContract | None) -> artifact.Reference:
    """The training rows' histograms; those of `answers`, which are the held-out rows'."""
    return artifact.Reference(
        rows=len(train),
        features={column.name: _histogram(column, train.frame[column.name]) for column in train.columns},
        predictions={target: _predicted(target, said, like) for target, said in answers.items()},
    )


def _predicted(target: str, said: ClassAnswers | NumberAnswers, like: artifact.ArtifactContract | None) -> artifact.Histogram:
    if isinstance(said, ClassAnswers):
        return artifact.CategoricalHistogram(counts={name: said.labels.count(name) for name in said.classes})
    former = like.reference.predictions.get(target) if like else None
    edges = np.array(former.edges) if isinstance(former, artifact.NumericHistogram) else _between(said.values)
    return artifact.NumericHistogram(edges=tuple(edges.tolist()), counts=_counts(said.values, edges))


def _histogram(column: Column, values: pd.Series) -> artifact.Histogram:
    present = values.dropna()
    missing = len(values) - len(present)
    if column.kind == "categorical":
        return artifact.CategoricalHistogram(counts=dict(sorted(Counter(present).items())), missing=missing)
    numbers = present.to_numpy(dtype=np.float64)
    edges = _deciles(numbers)
    return artifact.NumericHistogram(edges=tuple(edges.tolist()), counts=_counts(numbers, edges), missing=missing)


def _deciles(numbers: Numbers) -> Numbers:
    """Inner edges of BINS bins with equal counts, fewer where values repeat."""
    return np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))


def _between(numbers: Numbers) -> Numbers:
    """As `_deciles`, but half way to the next lower number. A tree answers few different numbers, and on an edge the last bit
    of float32 would say in which bin all of one kind are."""
    distinct = np.unique(numbers)
    places = np.searchsorted(distinct, _deciles(numbers)).clip(1, None)
    places = places[places < len(distinct)]
    return np.unique((distinct[places - 1] + distinct[places]) / 2)


def _counts(numbers: Numbers, edges: Numbers) -> tuple[int, ...]:
    return tuple(np.bincount(np.searchsorted(edges, numbers, side="right"), minlength=len(edges) + 1).tolist())


def example(holdout: Rows, answers: Answers, targets: Sequence[artifact.Target], *, whole_numbers: bool) -> artifact.Example:
    """A few held-out rows, every class that is answered among them, with scikit-learn's answers.

    `whole_numbers`: labels are written as numbers, as the server's tensors have them.
    """
    chosen = _chosen(answers, len(holdout))
    part = holdout.frame.iloc[chosen]
    outputs: dict[str, tuple[str | int | float | tuple[float, ...], ...]] = {}
    for target in targets:
        said = answers[target.name]
        if isinstance(target, artifact.CategoricalTarget) and isinstance(said, ClassAnswers):
            labels = [said.labels[row] for row in chosen]
            outputs[target.label] = tuple(map(int, labels)) if whole_numbers else tuple(labels)
            outputs[str(target.probabilities)] = tuple(tuple(row) for row in said.probabilities[chosen].tolist())
        elif isinstance(target, artifact.NumericTarget) and isinstance(said, NumberAnswers):
            outputs[target.value] = tuple(said.values[chosen].tolist())
    return artifact.Example(
        inputs={column.name: _values(part[column.name]) for column in holdout.columns},
        outputs=outputs,
        tolerance=EXAMPLE_TOLERANCE,
    )


def frame_of(shown: artifact.Example) -> pd.DataFrame:
    """An example's rows, missing numbers as NaN."""
    return pd.DataFrame({name: list(values) for name, values in shown.inputs.items()}).infer_objects().fillna(np.nan)


def _chosen(answers: Answers, rows: int) -> list[int]:
    """The first row of every label of every target, then the first of the others, up to EXAMPLE_ROWS; ascending."""
    first: dict[int, None] = {}
    for said in answers.values():
        if isinstance(said, ClassAnswers):
            first |= dict.fromkeys({label: row for row, label in reversed(list(enumerate(said.labels)))}.values())
    others = [row for row in range(rows) if row not in first]
    return sorted([*first, *others[: max(0, EXAMPLE_ROWS - len(first))]])


def _values(values: pd.Series) -> tuple[float | str | None, ...]:
    return tuple(None if pd.isna(value) else value for value in values.tolist())
