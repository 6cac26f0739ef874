"""An A/B test as a person writes it: what it means without a word, and what cannot be meant."""

from datetime import timedelta
from typing import Any

import pytest

from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.testing import changed, rollout_document, without

TEST = "spec.strategy.abTest"
WRITTEN = {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.01"}}


def document() -> dict[str, Any]:
    return changed(rollout_document(), "spec.strategy", {"abTest": WRITTEN})


def said(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        validated(ModelRollout, document, source="rollout.yaml")
    return [str(one) for one in caught.value.problems]


def test_without_a_word_half_of_the_users_are_split_a_winner_is_promoted_and_the_champion_stays_otherwise():
    spec = validated(ModelRollout, document(), source="rollout.yaml").spec
    test = spec.strategy.ab_test
    assert (test.split, test.on_winner, test.on_no_difference) == (50, "promote", "rollback")
    assert (test.minimum_duration, str(test.goal.alpha)) == (timedelta(0), "0.05")
    assert [step.set_weight for step in spec.strategy.steps] == [50]
    assert [one.name for one in spec.judged] == ["error-rate", "purchase"]


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (
            "spec.strategy.canary",
            {"steps": [{"setWeight": 10}]},
            "spec.strategy: got canary and abTest, expected exactly one of canary, blueGreen, abTest",
        ),
        ("spec.strategy", {}, "spec.strategy: got nothing, expected exactly one of canary, blueGreen, abTest"),
        (f"{TEST}.split", 0, f"{TEST}.split: got 0, expected 1 or more"),
        (f"{TEST}.split", 100, f"{TEST}.split: got 100, expected 99 or less"),
        (f"{TEST}.sticky", {}, f"{TEST}.sticky: got nothing, expected exactly one of header, cookie"),
        (f"{TEST}.sticky.cookie", "uid", f"{TEST}.sticky: got header and cookie, expected exactly one of header, cookie"),
        (
            f"{TEST}.sticky.header",
            "x user",
            f"{TEST}.sticky.header: got 'x user', expected text that matches ^[A-Za-z0-9][-A-Za-z0-9_.]{{0,126}}$",
        ),
        (f"{TEST}.goal.minimumEffect", "0", f"{TEST}.goal.minimumEffect: got 0, expected more than 0 and less than 1"),
        (
            f"{TEST}.goal",
            {"name": "revenue", "minimumEffect": "500", "scores": {"high": "500"}},
            f"{TEST}.goal.minimumEffect: got 500, expected more than 0 and less than 500",
        ),
        (
            f"{TEST}.goal",
            {"name": "revenue", "minimumEffect": "5", "scores": {"low": "9", "high": "9"}},
            f"{TEST}.goal.scores: got 9 to 9, expected low < high",
        ),
        (
            f"{TEST}.rivals",
            [{"alias": "bold", "split": 50}],
            f"{TEST}.rivals: the splits of all challengers sum to 100; expected at most 99, because the champion needs",
        ),
        (
            f"{TEST}.rivals",
            [{"alias": "bold", "split": 5}, {"alias": "bold", "split": 5}],
            f"{TEST}.rivals[1].alias: got 'bold', which another rival has too; expected a different one",
        ),
        (
            f"{TEST}.rivals",
            [{"alias": "challenger", "split": 5}],
            f"{TEST}.rivals[0].alias: got 'challenger', which is registry.candidateAlias; expected another",
        ),
        (f"{TEST}.rivals", [{"alias": f"r{n}", "split": 5} for n in range(4)], f"{TEST}.rivals: "),
        (f"{TEST}.goal.alpha", "1", f"{TEST}.goal.alpha: got 1, expected more than 0 and less than 1"),
        (
            f"{TEST}.goal.name",
            "error-rate",
            "spec.analysis.metrics[0].name: got 'error-rate', which is the name of strategy.abTest.goal; expected another",
        ),
        (f"{TEST}.onWinner", "rollback", f"{TEST}.onWinner: got 'rollback', expected 'promote' or 'pause'"),
        (f"{TEST}.minimumDuration", "24h", f"{TEST}.minimumDuration: got '24h', expected less than deadline, 24h"),
        (
            "spec.traffic",
            {"driver": "kserve"},
            "spec.traffic.driver: got 'kserve', expected 'gateway'",
        ),
        (
            "spec.analysis.metrics[0]",
            {"name": "split", "test": "sample-ratio"},
            "spec.analysis.metrics[0].test: got sample-ratio, which counts requests",
        ),
    ],
)
def test_a_test_that_cannot_be_meant_is_refused_at_the_field(path: str, value: object, expected: str):
    (problem,) = said(changed(document(), path, value))
    assert problem.startswith(expected)


def test_challengers_are_named_with_their_splits_in_the_order_of_the_spec():
    rivals = [{"alias": "bold", "split": 20}, {"alias": "calm", "split": 5}]
    spec = validated(ModelRollout, changed(document(), f"{TEST}.rivals", rivals), source="rollout.yaml").spec
    assert list(spec.splits.items()) == [("challenger", 50), ("bold", 20), ("calm", 5)]
    assert spec.strategy.ab_test.challengers == 3


def test_a_goal_with_scores_is_a_mean_and_says_its_bounds_as_they_were_written():
    scores = {"low": "-20", "high": "500.00", "better": "lower"}
    mean = {"name": "revenue", "minimumEffect": "2.5", "scores": scores}
    written = validated(ModelRollout, changed(document(), f"{TEST}.goal", mean), source="rollout.yaml")
    goal = written.spec.strategy.ab_test.goal
    assert (goal.counts(), goal.counted_as, str(goal.scored)) == ("goal-scores", *["revenue -20..500.00"] * 2)
    plain = validated(ModelRollout, document(), source="rollout.yaml").spec.strategy.ab_test.goal
    assert (plain.counts(), plain.counted_as, plain.scored) == ("goals", "purchase", None)


def test_who_is_to_be_told_apart_and_what_is_to_be_reached_must_be_said():
    assert said(without(document(), f"{TEST}.goal")) == [f"{TEST}.goal: is missing and required"]
    assert said(without(document(), f"{TEST}.sticky")) == [f"{TEST}.sticky: is missing and required"]
