"""What decides an A/B test: verdicts that the interval gives, a split that is believed, words. Its errors: tests/component."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from kanarya_contracts.rollout import Goal
from kanarya_rollout.gates.goal import GoalGate
from kanarya_rollout.gates.window import Reported, Window

GOAL = Goal(name="purchase", minimum_effect="0.05")


def reached(n_c: int, reached_c: int, n_s: int, reached_s: int, *, weight: int | None = 50) -> Reported:
    users = Window(candidate_n=n_c, candidate_bad=n_c - reached_c, stable_n=n_s, stable_bad=n_s - reached_s)
    return Reported(users=users, weight=weight)


def fold(*windows: Reported, goal: Goal = GOAL) -> GoalGate:
    gate = GoalGate.opened(goal)
    for window in windows:
        gate = gate.fold(window)
    return gate


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, 60)] * 2, st.floats(0, 1), st.floats(0, 1)), max_size=6))
def test_the_verdict_is_what_the_interval_says(windows: list[tuple[int, int, float, float]]):
    gate = fold(*(reached(n_c, round(n_c * c), n_s, round(n_s * s), weight=None) for n_c, n_s, c, s in windows))
    said, low, high = gate.judge(), gate.difference.low, gate.difference.high
    assert -1 <= low <= 1
    assert -1 <= high <= 1
    assert (said.verdict == "NoData") == (said.interval is None)
    if said.interval is not None:
        expected = {
            "Failed": high <= 0,
            "Successful": low >= 0,
            "NoDifference": low >= -0.05 and high <= 0.05 and low < 0 < high,
        }
        found = [verdict for verdict, holds in expected.items() if holds and low <= high]
        assert found == [said.verdict] * (said.verdict in expected)


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.integers(0, 40)] * 2), min_size=1, max_size=5), st.integers(0, 5))
def test_a_gate_that_is_saved_in_between_goes_on_as_if_it_had_not_been(counts: list[tuple[int, int]], at: int):
    windows = [reached(n_c, n_c // 3, n_s, n_s // 2) for n_c, n_s in counts]
    begun = fold(*windows[:at])
    restored = GoalGate.opened(GOAL, json.loads(json.dumps(begun.saved())))
    for window in windows[at:]:
        begun, restored = begun.fold(window), restored.fold(window)
    assert restored == begun


def test_another_goal_or_effect_begins_anew_and_another_alpha_does_not():
    saved = fold(reached(100, 50, 100, 40)).saved()
    assert GoalGate.opened(GOAL.model_copy(update={"alpha": "0.1"}), saved).difference.seen.candidate_n == 100
    for other in (Goal(name="click", minimum_effect="0.05"), Goal(name="purchase", minimum_effect="0.04")):
        assert GoalGate.opened(other, saved).difference.seen.candidate_n == 0


def test_a_winner_on_a_split_that_did_not_happen_is_no_winner():
    windows = [reached(20, 16, 80, 20)] * 30
    said = fold(*windows).judge()
    assert said.verdict == "Inconclusive"
    assert "20% of 3,000 users went to the candidate at weight 50: not the split that was asked for" in said.message
    assert fold(*(Reported(users=one.users, weight=20) for one in windows)).judge().verdict == "Successful"


def test_a_difference_that_did_not_stay_the_same_has_an_empty_interval_and_no_verdict():
    said = fold(reached(200, 200, 200, 0, weight=None), reached(3000, 0, 20, 20, weight=None)).judge()
    assert (said.verdict, said.needs) == ("Inconclusive", None)
    assert said.interval.low > said.interval.high
    assert "but one difference cannot be +15 or more and +1 or less: it did not stay the same" in said.message


def test_without_reports_of_one_version_there_is_no_data_and_it_is_named():
    assert fold().judge().message == "no report of either version's users yet"
    assert fold(reached(0, 0, 5, 2)).judge().message == "no report of the candidate's users yet"
    only = fold(reached(5, 2, 0, 0)).judge()
    assert (only.verdict, only.message) == ("NoData", "no report of the champion's users yet")


def test_a_person_reads_shares_difference_interval_and_what_is_missing():
    said = fold(*[reached(50, 18, 50, 15)] * 6).judge(elapsed=600)
    assert said.message.startswith("36 % of 300 users reached it, of the champion's 300 30 %: +6 points (")
    assert "candidate users needed, at this rate" in said.message
    assert (said.candidate.n, said.candidate.mean) == (300, said.interval.difference + said.stable.mean)
    won = fold(*[reached(50, 30, 50, 15)] * 20).judge()
    assert (won.verdict, won.needs) == ("Successful", 0)
    assert "better by +30 points (+" in won.message
