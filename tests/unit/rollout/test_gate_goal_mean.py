"""What decides an A/B test on a mean: the expectation of its e-values, ends, verdicts, units, words. Its errors over many:
tests/component."""

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.rollout import Goal
from kanarya_rollout.gates.goal import GoalGate
from kanarya_rollout.gates.window import Reported, Scores, Sums

GOAL = Goal(name="revenue", minimum_effect="25", scores={"low": "-100", "high": "400"})
shares = st.floats(0, 1).map(lambda value: round(value, 3))
sides = st.lists(shares, max_size=6)


def goal(**changes) -> Goal:
    return Goal.model_validate({**GOAL.model_dump(by_alias=True), **changes})


def sums(values) -> Sums:
    """Of scores as the server counts them: 0 to 1."""
    values = np.asarray(values, dtype=float)
    return Sums(n=len(values), total=round(values.sum() * 1_000_000), squares=round((values**2).sum() * 1_000_000))


def reported(candidate, stable, *, weight: int | None = None) -> Reported:
    return Reported(users=Scores(candidate=sums(candidate), stable=sums(stable)), weight=weight)


def fold(*windows: Reported, of: Goal = GOAL) -> GoalGate:
    gate = GoalGate.opened(of)
    for window in windows:
        gate = gate.fold(window)
    return gate


def drawn(chance: np.random.Generator, mean_c: float, mean_s: float, *, n: int = 200) -> Reported:
    """Shares of a purse that most people leave closed."""
    ours, theirs = (chance.binomial(1, 0.4, n) * chance.beta(2, 2 * 0.4 / mean - 2, n) for mean in (mean_c, mean_s))
    return reported(ours, theirs)


@settings(max_examples=25)
@given(
    st.integers(1, 4), st.integers(1, 4), st.tuples(shares, shares), st.tuples(shares, shares), st.lists(shares, max_size=6)
)  # fmt: skip
def test_the_expectation_of_every_e_value_at_the_true_difference_is_at_most_one_on_both_sides(n_c, n_s, ours, theirs, past):
    """Scores take one of two values with even odds: every outcome of a window, after any past, can be counted up."""
    difference = 500 * (sum(ours) - sum(theirs)) / 2
    before = fold(reported(past, past[::-1])).difference
    for sign in (1, -1):
        total, start = 0.0, np.array(before._terms(sign, difference))
        for high_c, high_s in product(range(n_c + 1), range(n_s + 1)):
            chance = math.comb(n_c, high_c) * math.comb(n_s, high_s) / 2 ** (n_c + n_s)
            values_c = [ours[0]] * (n_c - high_c) + [ours[1]] * high_c
            values_s = [theirs[0]] * (n_s - high_s) + [theirs[1]] * high_s
            after = before.fold(Scores(candidate=sums(values_c), stable=sums(values_s)))
            total = total + chance * np.exp(np.array(after._terms(sign, difference)) - start)
        assert (total <= 1 + 1e-4).all()  # sums are rounded to millionths


@settings(max_examples=50)
@given(st.lists(st.tuples(sides, sides, st.integers(1, 200)), max_size=5))
def test_the_verdict_is_what_the_interval_says_and_each_end_is_where_the_evidence_meets_its_threshold(windows):
    gate = fold(*(reported(ours * times, theirs * times) for ours, theirs, times in windows))
    said, found = gate.judge(), gate.difference
    low, high = found.low, found.high
    assert -500 <= low <= 500
    assert -500 <= high <= 500
    for end, evidence in ((low, found.better_than), (high, found.worse_than)):
        assert abs(end) == 500 or evidence(end) == pytest.approx(found.threshold, abs=1e-6)
    assert (said.verdict == "NoData") == (said.interval is None)
    if said.interval is not None:
        expected = {"Failed": high <= 0, "Successful": low >= 0, "NoDifference": -25 <= low < 0 < high <= 25}
        found = [verdict for verdict, holds in expected.items() if holds and low <= high]
        assert found == [said.verdict] * (said.verdict in expected)


@settings(max_examples=20)
@given(st.lists(st.tuples(sides, sides), min_size=1, max_size=5), st.integers(0, 5))
def test_a_gate_that_is_saved_in_between_goes_on_as_if_it_had_not_been(pairs, at: int):
    windows = [reported(ours, theirs, weight=50) for ours, theirs in pairs]
    begun = fold(*windows[:at])
    restored = GoalGate.opened(GOAL, json.loads(json.dumps(begun.saved())))
    for window in windows[at:]:
        begun, restored = begun.fold(window), restored.fold(window)
    assert restored == begun


def test_other_bounds_or_another_effect_begin_anew_and_another_alpha_or_side_does_not():
    saved = fold(reported([0.5] * 100, [0.4] * 100)).saved()
    for kept in (goal(alpha="0.1"), goal(scores={"low": "-100", "high": "400", "better": "lower"})):
        assert GoalGate.opened(kept, saved).difference.seen.candidate_n == 100
    for other in (
        goal(minimumEffect="20"),
        goal(scores={"low": "0", "high": "400"}),
        Goal(name="revenue", minimum_effect="0.1"),
    ):
        assert GoalGate.opened(other, saved).difference.seen.candidate_n == 0


def test_a_winner_a_loser_and_no_difference_are_found_and_of_a_cost_the_lower_one_is_the_winner():
    costs = goal(scores={"low": "-100", "high": "400", "better": "lower"})
    for means, expected, of_costs in (
        ((0.3, 0.2), "Successful", "Failed"),
        ((0.2, 0.3), "Failed", "Successful"),
        ((0.25, 0.25), "NoDifference", "NoDifference"),
    ):
        chance = np.random.default_rng(7)
        windows = [drawn(chance, *means) for _ in range(60)]
        said, of_cost = fold(*windows).judge(), fold(*windows, of=costs).judge()
        assert (said.verdict, of_cost.verdict) == (expected, of_costs)
        assert said.interval == of_cost.interval
        assert (said.log_e, said.log_e_good) == (of_cost.log_e_good, of_cost.log_e)


def test_the_unit_of_the_scores_does_not_matter():
    cents = Goal(name="revenue", minimum_effect="2500", scores={"low": "-10000", "high": "40000"})
    windows = [reported([0.2, 0.9, 0.4] * 50, [0.1, 0.3] * 90)] * 4
    euros, same = fold(*windows).judge(), fold(*windows, of=cents).judge()
    assert (euros.verdict, euros.log_e, euros.needs) == (same.verdict, same.log_e, same.needs)
    assert [float(one) for one in (same.interval.low, same.interval.high)] == pytest.approx(
        [100 * float(one) for one in (euros.interval.low, euros.interval.high)], abs=1e-3
    )


def test_without_reports_of_one_version_there_is_no_data_and_they_wait_for_those_of_the_other():
    assert fold().judge().message == "no report of either version's users yet"
    assert fold(reported([0.5], [])).judge().message == "no report of the champion's users yet"
    apart = fold(reported([0.2, 0.4], []), reported([], [0.5, 0.9]))
    assert apart.difference == fold(reported([0.2, 0.4], [0.5, 0.9])).difference


def test_scores_that_cannot_lie_between_the_bounds_hold_and_say_so():
    users = Scores(candidate=Sums(n=100, total=90_000_000, squares=95_000_000), stable=sums([0.1] * 100))
    said = GoalGate.opened(GOAL).fold(Reported(users=users, weight=50)).judge()
    assert (said.verdict, said.needs) == ("Inconclusive", None)
    assert "scores lie outside of the bounds in strategy.abTest.goal.scores" in said.message


def test_users_whose_score_was_refused_are_in_no_mean_but_were_drawn_and_are_said_to_be_left_out():
    window = Reported(users=Scores(candidate=sums([0.9] * 30), stable=sums([0.1] * 40)), outside=(10, 0), weight=50)
    gate = fold(*[window] * 5)
    said = GoalGate.opened(GOAL, json.loads(json.dumps(gate.saved()))).judge()
    assert said.message.startswith(
        "a mean of 350 over 150 users, of -50 over the champion's 200 (50 and 0 more had scores outside"
    )
    assert (said.verdict, gate.split.candidate_n, gate.split.stable_n) == ("Successful", 200, 200)
    nobody = fold(Reported(users=Scores(), outside=(1, 0), weight=50)).judge()
    assert nobody.message == "no report of either version's users yet (1 and 0 more had scores outside of their bounds)"


def test_a_winner_on_a_split_that_did_not_happen_is_no_winner():
    windows = [reported([0.9] * 20, [0.1] * 80, weight=50)] * 30
    said = fold(*windows).judge()
    assert said.verdict == "Inconclusive"
    assert "20% of 3,000 users went to the candidate at weight 50: not the split that was asked for" in said.message


def test_a_difference_that_did_not_stay_the_same_has_an_empty_interval_and_no_verdict_whichever_side_is_better():
    windows = [reported([0.5] * 200, [0] * 200), reported([0] * 20, [1] * 200)]
    for of in (GOAL, goal(scores={"low": "-100", "high": "400", "better": "lower"})):
        said = fold(*windows, of=of).judge()
        assert (said.verdict, said.needs) == ("Inconclusive", None)
        assert said.interval.low > said.interval.high
        assert said.message.endswith("but one difference cannot be +71.01 or more and -68.84 or less: it did not stay the same")


def test_a_person_reads_means_difference_interval_and_what_is_missing_in_the_unit_of_the_scores():
    said = fold(*[reported([0.25, 0.31] * 25, [0.2, 0.3] * 25)] * 3).judge(elapsed=600)
    assert said.message.startswith("a mean of 40 over 150 users, of 25 over the champion's 150: +15 (")
    assert " at 95 %); 150 of about " in said.message
    assert "candidate users needed, at this rate" in said.message
    assert (said.candidate.n, said.candidate.mean, said.stable.mean) == (150, 40, 25)
    thousands = goal(minimumEffect="250000", scores={"low": "0", "high": "5000000"})
    said = fold(*[reported([0.8] * 50, [0.3] * 50)] * 6, of=thousands).judge()
    assert said.message.startswith(
        "a mean of 4,000,000 over 300 users, of 1,500,000 over the champion's 300: better by +2,500,000 (+"
    )
