"""An A/B test from its first user to its end: winner, loser, no difference, not enough data; and what a person may do."""

from datetime import timedelta

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.replay import Counts, Replay
from kanarya_rollout.sticky import Sticky, Zone
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, promoted

TEST = {"split": 50, "sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.1"}}


def a_test(*, metrics=(), spec=None, **test) -> Simulation:
    """A world whose champion serves and whose challenger has its users."""
    world = Simulation(a_rollout(strategy={"abTest": {**TEST, **test}}, metrics=metrics, **(spec or {})))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight > 0)
    return world


def reaching(world: Simulation, champion: float, challenger: float) -> Simulation:
    world.quality = {"1": Quality(reached=champion), "2": Quality(reached=challenger)}
    return world


def ended(status) -> bool:
    return status.current_step_index is None


def row(world: Simulation):
    return next(one for one in world.status.evidence if one.metric == "purchase")


def test_users_are_split_at_once_by_their_key_and_another_draw_for_each_challenger():
    world = a_test(split=30)
    assert (world.traffic.asked, world.traffic.sticky) == (
        {"1": 70, "2": 30},
        Sticky(header="x-user-id", salt="iris/2", zones=(Zone(version="2", first=0),)),
    )
    assert world.status.condition("Progressing").message == "version 2 at 30%: A/B test on purchase, users by header x-user-id"
    world.ask(Verb.ABORT)
    world.tick()
    world.challenge("3")
    world.until(lambda status: status.canary_weight > 0)
    assert world.traffic.sticky.salt == "iris/3"


def test_at_rest_the_gateway_tells_users_apart_already_and_in_a_canary_it_never_does():
    world = Simulation(a_rollout(strategy={"abTest": {**TEST, "sticky": {"cookie": "uid"}}}))
    world.serve_first()
    assert world.traffic.sticky == Sticky(cookie="uid", salt="iris/", zones=(Zone(version=None, first=0),))
    canary = Simulation(a_rollout())
    canary.serve_first()
    canary.challenge()
    canary.until(lambda status: status.canary_weight > 0)
    assert canary.traffic.sticky is None


def test_a_winner_is_promoted_when_every_gate_agrees():
    world = reaching(a_test(metrics=[ERRORS, ACCURACY]), 0.3, 0.6)
    world.until(promoted, requests=40)
    assert row(world).verdict == "Successful"
    assert row(world).interval.low >= 0
    condition = world.status.condition("Promoted")
    assert condition.reason == "GatesAgreed"
    assert "purchase: 60 % of" in condition.message


def test_a_winner_waits_for_a_gate_that_cannot_tell_yet():
    world = reaching(a_test(metrics=[ERRORS, ACCURACY]), 0.3, 0.6)
    world.quality = {version: Quality(reached=one.reached, labels=0) for version, one in world.quality.items()}
    world.run(ticks=40, requests=100)
    assert row(world).verdict == "Successful"
    assert world.status.canary_weight == 50


def test_a_gate_that_refuses_ends_the_test_whatever_the_goal_says():
    world = reaching(a_test(), 0.3, 0.9)
    world.quality["2"] = Quality(reached=0.9, errors=0.5)
    world.until(ended, requests=40)
    assert world.status.condition("RolledBack").reason == "GateRefused"
    assert "error-rate" in world.status.condition("RolledBack").message


def test_a_challenger_that_fewer_users_get_on_with_is_taken_back():
    world = reaching(a_test(), 0.6, 0.3)
    world.until(ended, requests=40)
    assert (world.status.condition("RolledBack").reason, world.traffic.asked["1"]) == ("GateRefused", 100)
    assert "worse by -30 points" in world.status.condition("RolledBack").message


@pytest.mark.parametrize(
    ("policy", "condition", "reason"),
    [("rollback", "RolledBack", "NoDifference"), ("promote", "Promoted", "GatesAgreed"), ("pause", "Paused", "Decided")],
)
def test_no_difference_ends_as_the_spec_says(policy: str, condition: str, reason: str):
    world = reaching(a_test(onNoDifference=policy), 0.5, 0.5)
    world.until(lambda status: status.is_true(condition) and status.candidate is not None, requests=200)
    assert world.status.condition(condition).reason == reason
    assert row(world).verdict == "NoDifference"
    assert "no difference of 10 points or more" in world.status.condition(condition).message


def test_not_enough_data_at_the_deadline_is_what_on_inconclusive_says():
    world = reaching(a_test(spec={"deadline": "60s"}), 0.5, 0.5)
    world.run(ticks=70, requests=1)
    assert world.status.condition("Paused").reason == "Inconclusive"
    assert "candidate users needed" in world.status.condition("Paused").message
    assert world.status.canary_weight == 50


def test_a_winner_is_none_before_the_minimum_duration_and_a_loser_is_one_at_any_time():
    world = reaching(a_test(minimumDuration="120s"), 0.3, 0.6)
    world.until(lambda status: row(world).verdict == "Successful", requests=100)
    began = world.status.ledger.first_traffic_at
    assert world.clock.now() - began < timedelta(seconds=60)
    world.until(promoted, requests=100)
    assert world.clock.now() - began >= timedelta(seconds=120)
    loser = reaching(a_test(minimumDuration="120s"), 0.6, 0.3)
    loser.until(ended, requests=100, ticks=60)


@pytest.mark.parametrize(("verb", "weight"), [(Verb.PROMOTE, 100), (Verb.ABORT, 0)])
def test_a_test_that_is_left_to_a_person_keeps_its_split_until_the_person_says_so(verb: Verb, weight: int):
    world = reaching(a_test(onWinner="pause"), 0.3, 0.6)
    world.until(lambda status: status.is_true("Paused"), requests=100)
    assert world.status.condition("Paused").reason == "Decided"
    world.run(ticks=5, requests=100)
    world.ask(Verb.RESUME)
    world.tick()
    assert "its A/B test is over" in world.status.last_request_refusal
    assert world.status.canary_weight == 50
    world.ask(verb)
    world.until(lambda status: world.traffic.now.get("2", 0) == weight, requests=100)


def test_a_split_that_is_edited_is_followed_and_what_was_counted_is_kept():
    world = reaching(a_test(split=20), 0.5, 0.5)
    world.run(ticks=5, requests=20)
    before = row(world).candidate.n
    world.store.put(a_rollout(strategy={"abTest": {**TEST, "split": 60}}))
    world.tick()
    world.tick()
    assert world.traffic.now == {"1": 40, "2": 60}
    assert row(world).candidate.n >= before > 0


def test_a_controller_that_dies_at_any_write_counts_each_user_once():
    for moment in range(0, 40, 3):
        world = reaching(a_test(), 0.5, 0.5)
        world.fuse.at = world.fuse.moments + moment
        for _ in range(12):
            world.tick_or_die(requests=10)
        world.tick()
        counted = {"2": row(world).candidate, "1": row(world).stable}
        for version, process in world.serving.processes.items():
            users, goals = (process.counts.get((version, kind, None, "purchase"), 0) for kind in ("users", "reached"))
            assert (counted[version].n, counted[version].n - counted[version].bad) == (users, goals), moment


def test_what_was_reported_before_the_test_and_of_another_goal_is_no_evidence():
    world = Simulation(a_rollout(strategy={"abTest": TEST}))
    world.serve_first()
    for goal in ("purchase", "click"):
        world.serving.processes["1"].add("users", 500, of=goal)
        world.serving.processes["1"].add("reached", 100, of=goal)
    world.challenge()
    world.until(lambda status: status.canary_weight > 0)
    world.tick()
    for goal, count in (("purchase", 3), ("click", 50)):
        for process in world.serving.processes.values():
            process.add("users", count, of=goal)
    world.tick()
    assert (row(world).candidate.n, row(world).stable.n) == (3, 3)


MEAN = {"name": "revenue", "minimumEffect": "40", "scores": {"low": "-100", "high": "300"}}


@pytest.mark.parametrize(
    ("champion", "challenger", "condition", "said"),
    [
        (0.3, 0.6, "Promoted", "revenue: a mean of 140 over "),
        (0.6, 0.3, "RolledBack", "worse by -120 ("),
        (0.5, 0.5, "RolledBack", "no difference of 40 or more: "),
    ],
)
def test_a_goal_that_is_a_mean_ends_the_test_as_one_that_is_reached_does(champion, challenger, condition, said):
    world = reaching(a_test(goal=MEAN), champion, challenger)
    assert world.traffic.sticky.scores == "revenue -100..300"
    world.until(ended, requests=100)
    assert world.status.is_true(condition)
    assert said in world.status.condition(condition).message


def test_scores_between_other_bounds_or_of_another_goal_are_no_evidence():
    world = a_test(goal=MEAN)
    for name in ("revenue -100..300", "revenue 0..300", "profit -100..300"):
        for process in world.serving.processes.values():
            process.add("goal-scores", 5, of=name)
            process.add("goal-score-sum", 2_000_000, of=name)
            process.add("goal-score-squares", 1_000_000, of=name)
            process.add("goal-outside", 2, of=name)
    world.tick()
    found = next(one for one in world.status.evidence if one.metric == "revenue")
    assert (found.candidate.n, found.candidate.mean, found.stable.n) == (5, 60, 5)
    assert "(2 and 2 more had scores outside of their bounds)" in found.message


def test_recorded_windows_of_users_are_replayed_to_the_same_end():
    replay = Replay(a_rollout(strategy={"abTest": TEST}))
    assert replay.weight == 50
    for reached in (30, 12):
        replay = Replay(a_rollout(strategy={"abTest": TEST}))
        for _ in range(40):
            answer = replay.step(
                seconds=60,
                weight=50,
                candidate=Counts(requests=100, users=50, reached=reached),
                stable=Counts(requests=100, users=50, reached=20),
            )
        expected = ("Successful", 100) if reached == 30 else ("Failed", 0)
        assert (answer.verdict, answer.weight) == expected
        assert "purchase: " in answer.message
