"""A gate as a person writes it: what its test can judge, and what it counts."""

from datetime import timedelta
from typing import Any

import pytest

from kanarya_contracts.metrics import DURATION_BUCKETS
from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.quantities import format_duration
from kanarya_contracts.rollout import GateSpec, ModelRollout
from kanarya_contracts.testing import changed, gate, rollout_document

METRIC = "spec.analysis.metrics[0]"
SIGNAL_RULE = "give errors or slow, or a name that starts with error-rate, latency or accuracy"
BOUNDS = [format_duration(timedelta(seconds=bound)) for bound in DURATION_BUCKETS]


def said(document: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        validated(ModelRollout, document, source="rollout.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (f"{METRIC}.minSample", 300, f"{METRIC}.minSample: is not a known field"),
        (f"{METRIC}.name", "Errors", f"{METRIC}.name: got 'Errors', expected text that matches ^[a-z][-a-z0-9]{{0,62}}$"),
        (
            f"{METRIC}.name",
            "faults",
            f"{METRIC}.signal: is missing: {SIGNAL_RULE}",
        ),
        (f"{METRIC}.alpha", "1", f"{METRIC}.alpha: got 1, expected more than 0 and less than 1"),
        (f"{METRIC}.beta", "0", f"{METRIC}.beta: got 0, expected more than 0 and less than 1"),
        (f"{METRIC}.alpha", 0.01, f'{METRIC}.alpha: got 0.01, expected a number in quotes such as "1.2"'),
        (f"{METRIC}.failureLimit", 3, f"{METRIC}.failureLimit: is not taken by test sequential-ratio"),
        (f"{METRIC}.margin", None, f"{METRIC}.margin: is missing; test sequential-ratio needs it"),
        (
            f"{METRIC}.margin.tolerate",
            "3",
            f"{METRIC}.margin: got tolerate 3, refuse 2.0; expected ratios with 0 < tolerate < refuse",
        ),
        (f"{METRIC}.margin.negligible", "1", f"{METRIC}.margin.negligible: got 1, expected a rate between 0 and 1"),
        (f"{METRIC}.failureCondition", "> 0.05", f"{METRIC}.failureCondition: is not taken by test sequential-ratio"),
        (
            f"{METRIC}.failureCondition",
            "0.05",
            f"{METRIC}.failureCondition: got '0.05', expected text that matches ^[<>]=?\\s*[0-9]+(\\.[0-9]+)?$",
        ),
        (
            f"{METRIC}.slowerThan",
            "10ms",
            f"{METRIC}.slowerThan: got '10ms' for signal errors, expected it for signal slow alone",
        ),
        (f"{METRIC}.minSamples", -1, f"{METRIC}.minSamples: got -1, expected 0 or more"),
    ],
)
def test_a_gate_that_cannot_be_meant_is_refused_at_the_field(path: str, value: object, expected: str) -> None:
    assert said(changed(rollout_document(), path, value)) == [expected]


def with_gate(**fields: object) -> dict[str, Any]:
    return changed(rollout_document(), METRIC, {"name": "error-rate", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"test": "threshold"}, 'failureCondition: is missing; test threshold needs it, such as "> 0.05"'),
        (
            {"test": "sequential-ratio", "margin": {"tolerate": "1.2", "refuse": "2"}, "signal": "labels"},
            "signal: got 'labels' for test sequential-ratio, expected errors or slow",
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-0.1"}},
            'scores: is missing; test sequential-mean needs it, such as {low: "0", high: "1"}',
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-5"}, "scores": {"high": "5"}},
            "margin: got tolerate 0, refuse -5; expected differences with 5 > tolerate > refuse > -5",
        ),
        (
            {"test": "sequential-mean", "margin": {"tolerate": "0", "refuse": "-1"}, "scores": {"low": "-1", "high": "5"}},
            "scores: got -1 to 5, expected 0 <= low < high",
        ),
        (
            {"test": "distribution", "margin": {"tolerate": "0.1", "refuse": "0.02"}},
            "margin: got tolerate 0.1, refuse 0.02; expected shares with 0 <= tolerate < refuse < 1",
        ),
        ({"test": "sample-ratio", "margin": {"tolerate": "1", "refuse": "2"}}, "margin: is not taken by test sample-ratio"),
        ({"test": "threshold", "failureCondition": "> 5"}, "failureCondition: got '> 5', expected a rate between 0 and 1"),
        (
            {"test": "threshold", "failureCondition": "> 0.05", "margin": {"tolerate": "1", "refuse": "2"}},
            "margin: is not taken by test threshold",
        ),
        (
            {"test": "sequential-proportion", "margin": {"tolerate": "-0.02", "refuse": "0"}},
            "margin: got tolerate -0.02, refuse 0; expected differences with 1 > tolerate > refuse > -1",
        ),
        (
            {"test": "sequential-proportion", "margin": {"tolerate": "0", "refuse": "-0.02", "negligible": "0.1"}},
            "margin.negligible: is for test sequential-ratio alone",
        ),
        (
            {"test": "sequential-ratio", "margin": {"tolerate": "1.2", "refuse": "2"}, "signal": "slow", "slowerThan": "3ms"},
            f"slowerThan: got '3ms', expected one of {', '.join(BOUNDS)}",
        ),
    ],
)
def test_a_gate_that_its_test_cannot_judge_is_refused_at_the_field(fields: dict[str, object], expected: str) -> None:
    assert said(with_gate(**fields)) == [f"{METRIC}.{expected}"]


def test_two_gates_of_one_name_are_refused() -> None:
    metric = rollout_document()["spec"]["analysis"]["metrics"][0]
    assert said(changed(rollout_document(), "spec.analysis.metrics", [metric, metric])) == [
        "spec.analysis.metrics[1].name: got 'error-rate', expected no name twice"
    ]


def test_all_problems_of_one_gate_are_reported_at_once() -> None:
    assert said(with_gate(test="threshold", margin={"tolerate": "1", "refuse": "2"}, alpha="2", slowerThan="1s")) == [
        f"{METRIC}.margin: is not taken by test threshold",
        f'{METRIC}.failureCondition: is missing; test threshold needs it, such as "> 0.05"',
        f"{METRIC}.alpha: got 2, expected more than 0 and less than 1",
        f"{METRIC}.slowerThan: got '1s' for signal errors, expected it for signal slow alone",
    ]


@pytest.mark.parametrize(
    ("name", "test", "signal"),
    [
        ("error-rate", "sequential-ratio", "errors"),
        ("latency-p95", "sequential-ratio", "slow"),
        ("accuracy-floor", "threshold", "labels"),
        ("quality", "sequential-proportion", "labels"),
        ("revenue", "sequential-mean", "scores"),
        ("classes", "distribution", "predictions"),
        ("split", "sample-ratio", "requests"),
    ],
)
def test_what_a_gate_counts_follows_from_its_test_or_its_name(name: str, test: str, signal: str) -> None:
    assert gate(name, test).counts() == signal


def test_what_a_gate_counts_can_be_said_and_then_the_name_is_free() -> None:
    assert gate("latency-of-mistakes", signal="errors").counts() == "errors"


def test_a_gate_that_says_nothing_of_what_it_counts_cannot_be_asked() -> None:
    unchecked = GateSpec.model_construct(name="faults", test="threshold", signal=None)
    with pytest.raises(ValueError, match="is missing: give errors, slow or labels"):
        unchecked.counts()
