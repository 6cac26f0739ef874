"""Figures of merit of answers against the truth. Pure. Called by the search (its scorers), by the pipeline's `evaluate`, and by
the comparison, for the candidate and the champion alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from kanarya_training_job.features import Labels, Matrix, Probabilities, Rows
from kanarya_training_job.tasks import MetricName

SCORERS: Mapping[MetricName, str] = MappingProxyType(
    {
        "accuracy": "accuracy",
        "balanced-accuracy": "balanced_accuracy",
        "f1-macro": "f1_macro",
        "log-loss": "neg_log_loss",
        "roc-auc": "roc_auc_ovr",
        "r2": "r2",
        "rmse": "neg_root_mean_squared_error",
        "mae": "neg_mean_absolute_error",
    }
)
"""Metric → scikit-learn's scorer, which is always better when larger."""

SMALLER_IS_BETTER: frozenset[MetricName] = frozenset({"log-loss", "rmse", "mae"})
"""The metrics whose scorer has the opposite sign."""


Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClassAnswers:
    """What a model says about one target of some rows: classes."""

    labels: tuple[str, ...]
    """One a row, as text."""
    probabilities: Probabilities
    """[rows, classes]"""
    classes: tuple[str, ...]
    """In the order of the probabilities."""


@dataclass(frozen=True, kw_only=True)
class NumberAnswers:
    """What a model says about one target of some rows: numbers."""

    values: Numbers
    """[rows]"""


Answers = Mapping[str, ClassAnswers | NumberAnswers]
"""Target → what a model says about it, in the contract's order."""


def advantage(metric: MetricName, ours: float, theirs: float) -> float:
    """By how much `ours` is better, in the metric's unit; negative when it is worse."""
    return theirs - ours if metric in SMALLER_IS_BETTER else ours - theirs


def measure(metric: MetricName, rows: Rows, answers: Answers) -> float | None:
    """The metric, its mean over several targets; None where these rows do not define it (ROC AUC, where a class has no row)."""
    found = [
        measure_classes(metric, rows.words(target), said)
        if isinstance(said, ClassAnswers)
        else measure_numbers(metric, rows.numbers(target), said)
        for target, said in answers.items()
    ]
    defined = [value for value in found if value is not None]
    return float(np.mean(defined)) if len(defined) == len(found) else None


def measure_all(wanted: Sequence[MetricName], rows: Rows, answers: Answers) -> dict[MetricName, float]:
    """Every metric that these rows define."""
    found = {metric: measure(metric, rows, answers) for metric in wanted}
    return {metric: value for metric, value in found.items() if value is not None}


def measure_classes(metric: MetricName, truth: Sequence[str], said: ClassAnswers) -> float | None:
    """Of one target."""
    if metric == "accuracy":
        return float(sk.accuracy_score(truth, said.labels))
    if metric == "balanced-accuracy":
        return float(sk.recall_score(truth, said.labels, labels=sorted(set(truth)), average="macro", zero_division=0.0))
    if metric == "f1-macro":
        return float(sk.f1_score(truth, said.labels, labels=said.classes, average="macro", zero_division=0.0))
    if not set(truth) <= set(said.classes):
        return None  # no probability was ever given to such a row's class
    if metric == "log-loss":
        return _log_loss(truth, said)
    return _roc_auc(truth, said)


def measure_numbers(metric: MetricName, truth: Numbers, said: NumberAnswers) -> float | None:
    """Of one target."""
    if metric == "rmse":
        return float(sk.root_mean_squared_error(truth, said.values))
    if metric == "mae":
        return float(sk.mean_absolute_error(truth, said.values))
    return float(sk.r2_score(truth, said.values)) if np.ptp(truth) > 0 else None


def scorers(metrics: Sequence[MetricName], rows: Rows) -> dict[str, Any]:
    """What a search over folds of `rows` scores by, as scikit-learn takes it."""
    if rows.task == "classification" and rows.several:
        return {metric: _over_targets(metric) for metric in metrics}
    return {metric: SCORERS[metric] for metric in metrics}


def _over_targets(metric: MetricName) -> Callable[[Any, Matrix, Labels], float]:
    """The mean over targets of a metric of labels. scikit-learn's own take one target."""

    def score(estimator: Any, rows: Matrix, truth: Labels) -> float:
        found = []
        for labels, said, classes in zip(truth.T, estimator.predict(rows).T, estimator.classes_, strict=True):
            answers = ClassAnswers(
                labels=tuple(map(str, said.tolist())), probabilities=np.empty((0, 0)), classes=tuple(map(str, classes.tolist()))
            )
            found.append(measure_classes(metric, list(map(str, labels.tolist())), answers))
        return float(np.mean(np.array(found, np.float64)))

    return score


def _log_loss(truth: Sequence[str], answers: ClassAnswers) -> float:
    """-mean(ln p of the true class), with p at least the smallest normal float64, so that it is finite."""
    place = {name: index for index, name in enumerate(answers.classes)}
    given = answers.probabilities[np.arange(len(truth)), [place[word] for word in truth]]
    return float(-np.log(np.maximum(given.astype(np.float64), np.finfo(np.float64).tiny)).mean())


def _roc_auc(truth: Sequence[str], answers: ClassAnswers) -> float | None:
    areas = []
    for index, name in enumerate(answers.classes):
        is_class = np.array([word == name for word in truth])
        if is_class.all() or not is_class.any():
            return None
        areas.append(float(sk.roc_auc_score(is_class, answers.probabilities[:, index])))
    return float(np.mean(areas))
