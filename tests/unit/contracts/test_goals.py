"""A goal whose users have scores, from the spec to the server that counts: one text, and the same bounds on both sides."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kanarya_contracts.goals import ScoredGoal

decimals = st.decimals(min_value=-(10**9), max_value=10**9, places=3)


@given(st.sampled_from(["revenue", "r", "a-0", "a--"]), decimals, decimals)
def test_what_the_gateway_says_is_read_back_as_it_was_meant(name: str, one: Decimal, other: Decimal):
    goal = ScoredGoal(name=name, low=min(one, other), high=max(one, other) + 1)
    assert ScoredGoal.read(str(goal)) == goal
    assert str(ScoredGoal.read(str(goal))) == str(goal)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "revenue",
        "revenue 0",
        "revenue 0-5",
        "revenue 0..",
        "revenue ..5",
        "a b 0..5",
        "revenue 0..1e9",
        "revenue 5..5",
        "revenue 5..0",
    ],
)
def test_what_is_no_goal_with_bounds_is_refused(text: str):
    with pytest.raises(ValueError, match="got"):
        ScoredGoal.read(text)


@given(st.floats(allow_nan=False))
def test_a_score_between_the_bounds_is_a_share_and_any_other_is_none(score: float):
    goal = ScoredGoal(name="profit", low=Decimal("-20.1"), high=Decimal("0.3"))
    share = goal.share(score)
    assert (share is None) == (not -20.1 <= score <= 0.3)
    assert share is None or 0 <= share <= 1


def test_the_bounds_themselves_lie_between_the_bounds():
    goal = ScoredGoal(name="profit", low=Decimal("-20.1"), high=Decimal("0.3"))
    assert [goal.share(score) for score in (-20.1, -9.9, 0.3)] == [0.0, pytest.approx(0.5), 1.0]
