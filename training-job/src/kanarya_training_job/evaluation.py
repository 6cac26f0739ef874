"""Figures of merit of labels and probabilities against the truth. Pure. Called by the search (names of scorers), by the
pipeline's `evaluate`, and by the comparison, for the candidate and the champion alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from sklearn import metrics as sk

from kanarya_training_job.features import Probabilities
from kanarya_training_job.settings import MetricName

SCORERS: Mapping[MetricName, str] = MappingProxyType(
    {
        "accuracy": "accuracy",
        "balanced-accuracy": "balanced_accuracy",
        "f1-macro": "f1_macro",
        "log-loss": "neg_log_loss",
        "roc-auc": "roc_auc_ovr",
    }
)
"""Metric → scikit-learn's scorer, which is always better when larger."""

SMALLER_IS_BETTER: frozenset[MetricName] = frozenset({"log-loss"})
"""The metrics whose scorer has the opposite sign."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model says about some rows."""

    labels: tuple[str, ...]
    """One a row, as text."""
    probabilities: Probabilities
    """[rows, classes]"""
    classes: tuple[str, ...]
    """In the order of the probabilities."""


def advantage(metric: MetricName, ours: float, theirs: float) -> float:
    """By how much `ours` is better, in the metric's unit; negative when it is worse."""
    return theirs - ours if metric in SMALLER_IS_BETTER else ours - theirs


def measure(metric: MetricName, truth: Sequence[str], answers: Answers) -> float | None:
    """The metric; None where these rows do not define it (ROC AUC, where a class has no row)."""
    if metric == "accuracy":
        return float(sk.accuracy_score(truth, answers.labels))
    if metric == "balanced-accuracy":
        return float(sk.recall_score(truth, answers.labels, labels=sorted(set(truth)), average="macro", zero_division=0.0))
    if metric == "f1-macro":
        return float(sk.f1_score(truth, answers.labels, labels=answers.classes, average="macro", zero_division=0.0))
    if not set(truth) <= set(answers.classes):
        return None  # no probability was ever given to such a row's class
    if metric == "log-loss":
        return _log_loss(truth, answers)
    return _roc_auc(truth, answers)


def measure_all(wanted: Sequence[MetricName], truth: Sequence[str], answers: Answers) -> dict[MetricName, float]:
    """Every metric that these rows define."""
    found = {metric: measure(metric, truth, answers) for metric in wanted}
    return {metric: value for metric, value in found.items() if value is not None}


def _log_loss(truth: Sequence[str], answers: Answers) -> float:
    """-mean(ln p of the true class), with p at least the smallest normal float64, so that it is finite."""
    place = {name: index for index, name in enumerate(answers.classes)}
    given = answers.probabilities[np.arange(len(truth)), [place[word] for word in truth]]
    return float(-np.log(np.maximum(given.astype(np.float64), np.finfo(np.float64).tiny)).mean())


def _roc_auc(truth: Sequence[str], answers: Answers) -> float | None:
    areas = []
    for index, name in enumerate(answers.classes):
        is_class = np.array([word == name for word in truth])
        if is_class.all() or not is_class.any():
            return None
        areas.append(float(sk.roc_auc_score(is_class, answers.probabilities[:, index])))
    return float(np.mean(areas))
