"""The offline gate: worse is refused, silence is no point for the candidate, an override is recorded."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_training_job.comparison import Gate
from kanarya_training_job.evaluation import Answers, ClassAnswers
from kanarya_training_job.features import Rows
from kanarya_training_job.outcome import ComparisonRefused, Override
from kanarya_training_job.settings import Comparison as Rule

TRUTH = "aabb"


def labelled(labels: str) -> Answers:
    probabilities = np.array([[0.9, 0.1] if label == "a" else [0.1, 0.9] for label in labels])
    return {"y": ClassAnswers(labels=tuple(labels), probabilities=probabilities, classes=("a", "b"))}


def true(labels: str = TRUTH) -> Rows:
    return Rows(frame=pd.DataFrame({"y": list(labels)}), columns=(), targets=("y",))


def gate(override: Override | None = None, **rule: object) -> Gate:
    made = Rule.model_validate(rule)
    return Gate(rule=made, metric=made.metric or "accuracy", rows=len(TRUTH), override=override)


@pytest.mark.parametrize(
    ("candidate", "champion", "verdict", "passed"),
    [("aabb", "aaab", "better", True), ("aaab", "abbb", "as-good", True), ("aaab", "aabb", "worse", False)],
)
def test_a_candidate_passes_unless_it_is_worse(candidate: str, champion: str, verdict: str, passed: bool) -> None:
    found = gate().compare(true(), labelled(candidate), labelled(champion), version="7")
    assert (found.verdict, found.passed) == (verdict, passed)


def test_the_sentence_has_both_figures_and_the_rows_they_rest_on() -> None:
    found = gate().compare(true(), labelled("aaab"), labelled("aabb"), version="7")
    assert found.sentence == "accuracy 0.750 on 4 held-out rows is worse than version 7's 1.000"
    assert (found.only_candidate_right, found.only_champion_right) == (0, 1)


def test_a_tolerance_lets_a_little_worse_through() -> None:
    found = gate(tolerance=0.25).compare(true(), labelled("aaab"), labelled("aabb"), version="7")
    assert (found.verdict, found.passed) == ("as-good", True)


def test_a_smaller_log_loss_is_better() -> None:
    found = gate(metric="log-loss").compare(true(), labelled("aabb"), labelled("aaab"), version="7")
    assert found.verdict == "better"


def test_nobody_to_compare_with_opens_the_gate() -> None:
    assert gate().without_champion().passed
    assert gate().same_version("7").passed


def test_a_champion_that_cannot_answer_closes_the_gate() -> None:
    found = gate().not_comparable("7", "the artifact has no readable kanarya.json")
    assert not found.passed
    assert found.sentence == "the champion, version 7, cannot be compared with: the artifact has no readable kanarya.json"


def test_a_metric_that_the_rows_do_not_define_closes_the_gate() -> None:
    found = gate(metric="roc-auc").compare(true("aaaa"), labelled("aaaa"), labelled("aaaa"), version="7")
    assert found.verdict == "not-comparable"


def test_an_override_opens_the_gate_and_is_recorded_with_its_reason_and_who() -> None:
    override = Override(reason="to see it caught live", by="ada")
    found = gate(override).compare(true(), labelled("bbaa"), labelled("aabb"), version="7")
    assert found.passed
    recorded = json.loads(found.dumps())
    assert recorded["verdict"] == "worse"
    assert recorded["override"] == {"reason": "to see it caught live", "by": "ada"}


def test_a_refusal_says_that_nothing_happened() -> None:
    found = gate().compare(true(), labelled("aaab"), labelled("aabb"), version="7")
    assert "Nothing was registered, no alias moved" in str(ComparisonRefused(found))


letters = st.text("ab", min_size=4, max_size=4)


@settings(max_examples=40, deadline=None)  # scikit-learn takes milliseconds for each
@given(letters, letters, st.floats(0, 1))
def test_passing_is_being_no_worse_than_the_tolerance(candidate: str, champion: str, tolerance: float) -> None:
    found = gate(tolerance=tolerance).compare(true(), labelled(candidate), labelled(champion), version="7")
    right = [sum(got == want for got, want in zip(labels, TRUTH, strict=True)) for labels in (candidate, champion)]
    assert found.passed == (right[0] / 4 >= right[1] / 4 - tolerance - 1e-9)
