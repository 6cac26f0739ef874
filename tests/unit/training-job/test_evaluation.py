"""Figures of merit, against values worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from kanarya_training_job.evaluation import (
    ClassAnswers,
    NumberAnswers,
    advantage,
    measure,
    measure_all,
    measure_classes,
    measure_numbers,
)
from kanarya_training_job.features import Rows
from kanarya_training_job.tasks import MetricName

TRUTH = ["a", "a", "b", "b"]


def answers(labels: str, probabilities: list[list[float]]) -> ClassAnswers:
    return ClassAnswers(labels=tuple(labels), probabilities=np.array(probabilities), classes=("a", "b"))


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
    assert measure_classes(metric, TRUTH, HALF) == pytest.approx(value)


def test_a_certain_mistake_costs_a_finite_log_loss() -> None:
    found = measure_classes("log-loss", ["a"], answers("b", [[0.0, 1.0]]))
    assert found == pytest.approx(708.4, abs=0.1)


def test_a_metric_that_the_rows_do_not_define_is_left_out() -> None:
    wanted: tuple[MetricName, ...] = ("accuracy", "roc-auc")
    rows = Rows(frame=pd.DataFrame({"y": ["a", "a"]}), columns=(), targets=("y",))
    assert measure_all(wanted, rows, {"y": answers("ab", [[0.9, 0.1], [0.4, 0.6]])}) == {"accuracy": 0.5}


@pytest.mark.parametrize(("metric", "value"), [("rmse", 5 / math.sqrt(3)), ("mae", 7 / 3), ("r2", 1 - 25 / (86 / 3))])
def test_a_metric_of_numbers_is_what_its_definition_says(metric: MetricName, value: float) -> None:
    truth, said = np.array([1.0, 2.0, 8.0]), np.array([1.0, 5.0, 4.0])
    assert measure_numbers(metric, truth, NumberAnswers(values=said)) == pytest.approx(value)


def test_several_targets_have_the_mean_of_the_metric_over_them() -> None:
    rows = Rows(frame=pd.DataFrame({"y": list("aabb"), "z": list("bbbb")}), columns=(), targets=("y", "z"))
    assert measure("accuracy", rows, {"y": ONE_WRONG, "z": HALF}) == (0.75 + 0.25) / 2 + 0.125


def test_numbers_that_are_all_the_same_have_no_r2() -> None:
    same = np.array([2.0, 2.0])
    assert measure_numbers("r2", same, NumberAnswers(values=same)) is None


def test_a_class_the_model_never_heard_of_counts_as_wrong_and_has_no_log_loss() -> None:
    truth = ["a", "a", "b", "c"]
    assert measure_classes("accuracy", truth, ONE_WRONG) == 0.75
    assert measure_classes("balanced-accuracy", truth, ONE_WRONG) == pytest.approx(2 / 3)
    assert measure_classes("log-loss", truth, ONE_WRONG) is None


def test_smaller_is_better_for_losses_and_errors_alone() -> None:
    assert advantage("log-loss", 0.1, 0.3) == pytest.approx(0.2)
    assert advantage("rmse", 0.1, 0.3) == pytest.approx(0.2)
    assert advantage("accuracy", 0.1, 0.3) == pytest.approx(-0.2)
    assert advantage("r2", 0.1, 0.3) == pytest.approx(-0.2)
