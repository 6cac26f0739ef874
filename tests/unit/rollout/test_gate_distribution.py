"""The gate on predictions: chances of error, what it takes to see a class move, classes that appear late."""

import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.testing import gate as a_spec
from kanarya_rollout.gates.distribution import Distribution
from kanarya_rollout.gates.window import Classes

NAMES = ("setosa", "versicolor", "virginica")


def gate(*names: str, tolerate="0.02", refuse="0.10", alpha=0.01, saved=None) -> Distribution:
    """With classes that servers have from their start, at 0."""
    margin = {"tolerate": tolerate, "refuse": refuse}
    opened = Distribution.opened(a_spec("predictions", "distribution", margin=margin), alpha, saved)
    return opened.fold(Classes(candidate=dict.fromkeys(names, 0), stable=dict.fromkeys(names, 0))) if names else opened


def counts(chance: np.random.Generator, n: int, shares) -> dict[str, int]:
    return dict(zip(NAMES, map(int, chance.multinomial(n, shares)), strict=True))


def verdict(chance, candidate, stable, *, looks=30, n_c=60, n_s=300) -> tuple[str, int]:
    state = gate(*NAMES)
    for look in range(looks):
        state = state.fold(Classes(candidate=counts(chance, n_c, candidate), stable=counts(chance, n_s, stable)))
        if (found := state.judge().verdict) != "Inconclusive":
            return found, (look + 1) * n_c
    return "Inconclusive", looks * n_c


def test_shares_that_moved_by_no_more_than_is_tolerated_are_refused_with_at_most_the_chance_alpha():
    chance = np.random.default_rng(1)
    found = [verdict(chance, (0.32, 0.33, 0.35), (0.34, 0.33, 0.33))[0] for _ in range(60)]
    assert found.count("Failed") <= 3  # alpha 0.01: more has a chance of 0.3 %


def test_a_class_that_moved_by_refuse_is_accepted_with_at_most_the_chance_beta():
    chance = np.random.default_rng(2)
    found = [verdict(chance, (0.4, 0.3, 0.3), (0.3, 0.35, 0.35), looks=20)[0] for _ in range(40)]
    assert found.count("Successful") <= 6  # beta 0.05: more has a chance of 1.4 %


def test_a_candidate_that_answers_one_class_only_is_refused_within_sixty_predictions_and_the_same_is_accepted():
    chance = np.random.default_rng(3)
    assert verdict(chance, (1, 0, 0), (0.34, 0.33, 0.33), n_c=20) == ("Failed", 20)
    assert [verdict(chance, (0.34, 0.33, 0.33), (0.34, 0.33, 0.33))[0] for _ in range(10)].count("Successful") >= 9


def test_a_change_in_the_traffic_that_both_versions_see_refuses_nobody():
    chance = np.random.default_rng(4)
    state = gate(*NAMES)
    for look in range(40):
        shares = (0.8, 0.1, 0.1) if look % 2 else (0.1, 0.1, 0.8)
        state = state.fold(Classes(candidate=counts(chance, 60, shares), stable=counts(chance, 300, shares)))
        assert state.judge().verdict != "Failed"


def test_the_verdict_names_the_class_that_moved_most():
    moved = Classes(candidate={"a": 90, "b": 10}, stable={"a": 500, "b": 500})
    assert gate("a", "b").fold(moved).judge().message == (
        "class a is 90% of 100 candidate predictions, 50% of 1,000 of the stable version's: moved by more than 0.02"
    )


def test_a_class_that_only_the_candidate_knows_is_refused_when_it_answers_much_of_it():
    evidence = gate("a", "new").fold(Classes(candidate={"a": 60, "new": 40}, stable={"a": 900})).judge()
    assert evidence.verdict == "Failed"


def test_a_class_that_nobody_had_counts_from_the_window_after_the_one_it_appears_in():
    first, later = Classes(candidate={"a": 60, "new": 1}, stable={"a": 900}), Classes(candidate={"a": 60}, stable={"a": 900})
    state = gate("a").fold(first)
    assert state.classes["new"] == gate("new").classes["new"]
    assert state.fold(later).classes["new"].past.candidate_n == 60
    apart = gate("a").fold(Classes(candidate=first.candidate, stable={})).fold(Classes(candidate={}, stable=first.stable))
    assert apart == state


def test_predictions_of_one_version_wait_for_those_of_the_other():
    candidate, stable = {"a": 3, "b": 4}, {"a": 30, "b": 50}
    apart = gate("a", "b").fold(Classes(candidate=candidate, stable={})).fold(Classes(candidate={}, stable=stable))
    assert apart == gate("a", "b").fold(Classes(candidate=candidate, stable=stable))
    assert gate().judge().verdict == "NoData"
    assert gate("a", "b").fold(Classes(candidate={}, stable=stable)).judge().verdict == "NoData"


shares = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.integers(0, 200), max_size=4)


@settings(max_examples=25)
@given(st.lists(st.tuples(shares, shares), max_size=4))
def test_what_was_saved_as_json_continues_bit_for_bit(windows):
    before = gate()
    for candidate, stable in windows:
        before = before.fold(Classes(candidate=candidate, stable=stable))
    after = gate(saved=json.loads(json.dumps(before.saved())))
    assert after.judge() == before.judge()
    more = Classes(candidate={"a": 5, "e": 1}, stable={"b": 9})
    assert after.fold(more).saved() == before.fold(more).saved()
