"""The gate on the split: false alarms, how soon a wrong split is seen, weights on their way, and that it refuses nobody."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.sample_ratio import SampleRatio
from kanarya_rollout.gates.window import Split


def gate(*, alpha=0.01, min_samples=0, saved=None) -> SampleRatio:
    return SampleRatio.opened(a_spec("split", "sample-ratio", min_samples=min_samples), alpha, saved)


def split(candidate_n: int, stable_n: int, weight: int | None) -> Split:
    return Split(candidate_n=candidate_n, stable_n=stable_n, weight=weight)


def found_after(chance, *, share: float, weight=10, n=40, looks=100) -> int | None:
    """Requests after which the split is not believed any more."""
    state = gate()
    for look in range(looks):
        x = int(chance.binomial(n, share))
        state = state.fold(split(x, n - x, weight))
        if state.judge().verdict != "Successful":
            return (look + 1) * n
    return None


def test_a_split_that_is_right_is_doubted_with_at_most_the_chance_alpha():
    chance = np.random.default_rng(1)
    assert sum(found_after(chance, share=0.10) is not None for _ in range(200)) <= 5  # alpha 0.01: more has a chance of 1.6 %


def test_a_weight_that_never_took_effect_is_seen_within_a_few_hundred_requests():
    chance = np.random.default_rng(2)
    assert np.median([found_after(chance, share=0.5) or 10**9 for _ in range(20)]) <= 80
    assert np.median([found_after(chance, share=0.0) or 10**9 for _ in range(20)]) <= 400


@pytest.mark.parametrize("share", [0.5, 0.0])
def test_a_split_that_is_not_believed_holds_and_refuses_nobody(share):
    state = gate().fold(split(round(2000 * share), round(2000 * (1 - share)), 10))
    evidence = state.judge()
    assert evidence.verdict == "Inconclusive"
    assert "not the split that was asked for" in evidence.message


def test_requests_that_may_have_been_sent_at_another_weight_are_not_counted():
    state = gate().fold(split(10, 90, 10))
    assert state.fold(split(500, 500, None)).fold(split(25, 75, 25)).judge().candidate.n == 35


def test_fifteen_seconds_that_are_counted_at_the_wrong_weight_make_a_right_split_look_wrong_for_minutes():
    state, doubted = gate(), []
    for second in range(600):
        state = state.fold(split(20, 180, 25) if second < 15 else split(50, 150, 25))
        doubted.append(not state.believed)
    assert doubted == [True] * 318 + [False] * 282  # as docs/explanation/gates.md says, and why `decide` leaves them out


def test_a_new_weight_begins_anew_and_keeps_what_was_found():
    wrong = gate().fold(split(500, 500, 10))
    later = wrong.fold(split(25, 75, 25))
    assert later.judge().verdict == "Inconclusive"


def test_without_requests_there_is_no_data_and_with_few_it_says_how_many_it_waits_for():
    assert gate().judge().verdict == "NoData"
    few = gate(min_samples=100).fold(split(9, 91, 10)).judge()
    assert (few.verdict, few.needs, few.message) == ("Inconclusive", 91, "9 of about 100 candidate requests needed")


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 3000), st.sampled_from([None, 0, 10, 25, 100])), max_size=8))
def test_what_was_saved_as_json_continues_bit_for_bit(windows):
    before = gate()
    for window in windows:
        before = before.fold(split(*window))
    after = gate(saved=json.loads(json.dumps(before.saved())))
    assert after == before
    assert after.judge() == before.judge()
