"""Figures of merit, against values worked out by hand."""

import math

import numpy as np
import pytest

from kanarya_training_job.evaluation import Answers, advantage, measure, measure_all
from kanarya_training_job.settings import MetricName

TRUTH = ["a", "a", "b", "b"]


def answers(labels: str, probabilities: list[list[float]]) -> Answers:
    return Answers(labels=tuple(labels), probabilities=np.array(probabilities), classes=("a", "b"))


ONE_WRONG = answers("aabb", [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
HALF = answers("aaab", [[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        ("accuracy", 3 / 4),
        ("balanced-accuracy", (1 + 1 / 2) / 2),
        ("f1-macro", (4 / 5 + 2 / 3) / 2),
        ("log-loss", -(math.log(0.9) + math.log(0.6) + math.log(0.3) + math.log(0.8)) / 4),
        ("roc-auc", 3 / 4),
    ],
)
def test_a_metric_is_what_its_definition_says(metric: MetricName, value: float) -> None:
    assert measure(metric, TRUTH, HALF) == pytest.approx(value)


def test_a_certain_mistake_costs_a_finite_log_loss() -> None:
    found = measure("log-loss", ["a"], answers("b", [[0.0, 1.0]]))
    assert found == pytest.approx(708.4, abs=0.1)


def test_a_metric_that_the_rows_do_not_define_is_left_out() -> None:
    wanted: tuple[MetricName, ...] = ("accuracy", "roc-auc")
    assert measure_all(wanted, ["a", "a"], answers("ab", [[0.9, 0.1], [0.4, 0.6]])) == {"accuracy": 0.5}


def test_a_class_the_model_never_heard_of_counts_as_wrong_and_has_no_log_loss() -> None:
    truth = ["a", "a", "b", "c"]
    assert measure("accuracy", truth, ONE_WRONG) == 0.75
    assert measure("balanced-accuracy", truth, ONE_WRONG) == pytest.approx(2 / 3)
    assert measure("log-loss", truth, ONE_WRONG) is None


def test_smaller_is_better_for_log_loss_alone() -> None:
    assert advantage("log-loss", 0.1, 0.3) == pytest.approx(0.2)
    assert advantage("accuracy", 0.1, 0.3) == pytest.approx(-0.2)
