"""The absolute guard."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.threshold import Threshold
from kanarya_rollout.gates.window import Window


def gate(condition: str = "> 0.05", *, min_samples: int = 100, signal="errors", saved=None, limit: int = 0) -> Threshold:
    spec = a_spec(
        "ceiling", "threshold", signal=signal, failure_condition=condition, min_samples=min_samples, failure_limit=limit
    )
    return Threshold.opened(spec, float(spec.alpha), saved)


@pytest.mark.parametrize(
    ("condition", "bad", "verdict"),
    [
        ("> 0.05", 5, "Successful"),
        ("> 0.05", 6, "Failed"),
        (">= 0.05", 5, "Failed"),
        ("< 0.05", 4, "Failed"),
        ("< 0.05", 5, "Successful"),
        ("<=0.05", 5, "Failed"),
    ],
)
def test_the_condition_decides_on_the_rate_of_the_whole_rollout(condition: str, bad: int, verdict: str):
    state = gate(condition).fold(Window(candidate_n=50, candidate_bad=bad)).fold(Window(candidate_n=50))
    assert state.judge().verdict == verdict


def test_before_enough_observations_it_cannot_tell_and_says_how_many_it_needs():
    evidence = gate().fold(Window(candidate_n=40, candidate_bad=40)).judge()
    assert (evidence.verdict, evidence.needs) == ("Inconclusive", 60)
    assert evidence.message == "40 of about 100 candidate requests needed"


def test_without_min_samples_one_observation_is_enough():
    assert gate(min_samples=0).judge().verdict == "NoData"
    assert gate(min_samples=0).fold(Window(candidate_n=1, candidate_bad=1)).judge().verdict == "Failed"


def test_of_labels_the_rate_is_the_accuracy():
    evidence = gate("< 0.8", signal="labels").fold(Window(candidate_n=100, candidate_bad=30)).judge()
    assert evidence.verdict == "Failed"
    assert evidence.message == "accuracy 0.7 on 100 candidate labels; the line is < 0.8"


def test_the_stable_version_does_not_matter():
    window = Window(candidate_n=100, candidate_bad=6)
    assert gate().fold(window + Window(stable_n=900, stable_bad=900)).judge().verdict == gate().fold(window).judge().verdict


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_was_saved_as_json_continues(n: int, bad: int):
    before = gate().fold(Window(candidate_n=n + bad, candidate_bad=bad))
    assert gate(saved=json.loads(json.dumps(before.saved()))) == before


def test_an_edited_line_judges_what_was_counted_before():
    seen = gate("> 0.5").fold(Window(candidate_n=100, candidate_bad=30))
    assert gate("> 0.2", saved=seen.saved()).judge().verdict == "Failed"


BAD, GOOD, NOTHING = Window(candidate_n=100, candidate_bad=20), Window(candidate_n=1000), Window(stable_n=100)


def test_bad_readings_up_to_the_limit_are_let_pass_and_the_next_one_is_the_verdict():
    state = gate(limit=2).fold(BAD)
    assert (state.judge().verdict, state.judge().needs) == ("Inconclusive", None)
    assert state.judge().message.endswith("the line is > 0.05; 1 of the 2 bad readings that are let pass")
    state = state.fold(BAD)
    assert state.judge().verdict == "Inconclusive"
    assert state.fold(BAD).judge().verdict == "Failed"
    assert state.fold(GOOD).fold(GOOD).judge().verdict == "Successful"


def test_a_window_without_the_candidate_is_no_reading_nor_is_one_before_there_are_enough():
    state = gate(limit=1, min_samples=150).fold(BAD)
    assert state.bad_readings == 0
    state = state.fold(BAD)
    for _ in range(5):
        state = state.fold(NOTHING)
    assert (state.bad_readings, state.judge().verdict) == (1, "Inconclusive")


def test_readings_are_kept_over_a_restart_and_counted_anew_for_another_line():
    seen = gate(limit=1).fold(BAD)
    assert gate(limit=1, saved=seen.saved()).fold(BAD).judge().verdict == "Failed"
    assert gate("> 0.10", limit=1, saved=seen.saved()).fold(BAD).judge().verdict == "Inconclusive"
    assert gate("> 0.10", limit=1, saved=seen.saved()).fold(GOOD).judge().verdict == "Successful"
