"""An A/B test of several challengers (A/B/n): each against the champion, until one of them is the one to be promoted."""

import json
from datetime import timedelta

import pytest

from kanarya_contracts.names import TAG_VERDICT, Verb
from kanarya_rollout.sticky import Sticky, Zone
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout, promoted

GOAL = {"name": "purchase", "minimumEffect": "0.1"}
TEST = {
    "split": 30,
    "rivals": [{"alias": "bold", "split": 20}, {"alias": "calm", "split": 25}],
    "sticky": {"header": "x-user-id"},
    "goal": GOAL,
}


def a_world(*, metrics=(), spec=None, **test) -> Simulation:
    """A champion, version 1, and three versions that have the aliases of challengers."""
    world = Simulation(a_rollout(strategy={"abTest": {**TEST, **test}}, metrics=metrics, **(spec or {})))
    world.serve_first()
    for version, alias in (("2", "challenger"), ("3", "bold"), ("4", "calm")):
        world.challenge(version, alias=alias)
    return world


def a_test(**how) -> Simulation:
    world = a_world(**how)
    world.until(lambda status: status.canary_weight > 0)
    return world


def reaching(world: Simulation, *shares: float) -> Simulation:
    world.quality = {str(version): Quality(reached=share) for version, share in enumerate(shares, 1)}
    return world


def ended(status) -> bool:
    return status.current_step_index is None


def began(world: Simulation):
    return world.status.started_at


def goal(evidence):
    return next(one for one in evidence if one.metric == "purchase")


def rival(world: Simulation, version: str):
    return next(one for one in world.status.rivals if one.candidate.version == version)


def verdicts(world: Simulation) -> dict[str, str]:
    return {
        version: json.loads(one.tags[TAG_VERDICT])["reason"]
        for version, one in world.registry.versions.items()
        if TAG_VERDICT in one.tags
    }


def test_it_begins_when_every_challenger_is_there_and_says_whom_it_waits_for():
    world = Simulation(a_rollout(strategy={"abTest": TEST}))
    world.serve_first()
    world.challenge("2")
    world.challenge("1", alias="bold")
    world.run(ticks=5)
    assert world.status.candidate is None
    assert world.status.condition("Progressing").message == (
        "the A/B test of 3 challengers waits: bold is version 1, which is the champion; no version has the alias calm"
    )
    world.challenge("3", alias="bold")
    world.challenge("2", alias="calm")
    world.run(ticks=5)
    assert world.status.condition("Progressing").message.endswith("waits: calm is version 2, as challenger is")
    world.challenge("4", alias="calm")
    world.until(lambda status: status.canary_weight > 0)
    assert [one.candidate.version for one in world.status.rivals] == ["3", "4"]


def test_users_are_split_among_all_of_them_and_the_champion_has_what_is_left():
    world = a_test()
    assert world.traffic.asked == {"1": 25, "2": 30, "3": 20, "4": 25}
    zones = (Zone(version="2", first=0), Zone(version="3", first=30), Zone(version="4", first=50))
    assert world.traffic.sticky == Sticky(header="x-user-id", salt="iris/2+3+4", zones=zones)
    said = world.status.condition("Progressing").message
    assert said == "version 2 at 30%, version 3 at 20%, version 4 at 25%: A/B test on purchase, users by header x-user-id"


def test_the_best_of_those_that_are_better_is_promoted_and_the_others_had_their_test():
    world = reaching(a_test(), 0.3, 0.5, 0.8, 0.3)
    world.until(promoted, requests=400, ticks=400)
    world.run(ticks=5)
    assert world.status.stable.version == "3"
    assert world.registry.aliases["champion"] == "3"
    assert (world.traffic.now, set(world.serving.processes)) == ({"3": 100}, {"3"})
    assert {one.version: one.reason for one in world.status.quarantine} == {"2": "Outdone", "4": "Outdone"}
    assert verdicts(world) == {"2": "Outdone", "3": "GatesAgreed", "4": "Outdone"}
    assert "waits: challenger is version 2, which is in quarantine" not in world.status.condition("Progressing").message


def test_every_chance_of_error_is_divided_by_their_number():
    world, alone = a_test(), Simulation(a_rollout(strategy={"abTest": {**TEST, "rivals": []}}))
    alone.serve_first()
    alone.challenge()
    for one in (world, alone):
        one.until(lambda status: any(row.interval for row in status.evidence), requests=100)
    levels = [
        next(row.interval.level for row in rows if row.metric == "purchase")
        for rows in (alone.status.evidence, world.status.evidence, rival(world, "3").evidence)
    ]
    assert [float(level) for level in levels] == pytest.approx([0.95, 1 - 0.05 / 3, 1 - 0.05 / 3])
    thresholds = [
        next((row.threshold, row.threshold_good) for row in rows if row.metric == "error-rate")
        for rows in (alone.status.evidence, world.status.evidence)
    ]
    for one, of_three in zip(*thresholds, strict=True):
        assert float(of_three - one) == pytest.approx(1.0986, abs=0.01)  # ln 3


@pytest.mark.parametrize("loser", ["2", "3", "4"])
def test_who_does_worse_leaves_and_nobody_elses_users_are_moved(loser: str):
    world = reaching(a_test(), 0.5, 0.5, 0.5, 0.5)
    world.quality[loser] = Quality(reached=0.5, errors=0.6)
    before = dict(world.traffic.asked)
    world.until(lambda status: loser in {one.version for one in status.quarantine}, requests=100)
    assert world.traffic.asked == {**before, "1": before["1"] + before[loser], loser: 0}
    zones = {zone.version: zone.first for zone in world.traffic.sticky.zones}
    assert zones == {version: first for version, first in (("2", 0), ("3", 30), ("4", 50)) if version != loser} | {
        None: zones[None]
    }
    assert world.traffic.sticky.salt == "iris/2+3+4"
    world.run(ticks=5)
    assert loser not in world.serving.processes
    assert rival(world, loser).out.reason == "GateRefused"
    assert verdicts(world) == {loser: "GateRefused"}
    assert not ended(world.status)


def test_the_last_one_that_is_left_ends_the_test_as_the_only_one_does():
    world = reaching(a_test(), 0.6, 0.3, 0.2, 0.6)
    world.quality["4"] = Quality(reached=0.3)
    world.until(ended, requests=400)
    assert world.status.condition("RolledBack").reason == "GateRefused"
    world.run(ticks=5)
    assert (world.traffic.now, set(world.serving.processes)) == ({"1": 100}, {"1"})
    assert {one.version for one in world.status.quarantine} == {"2", "3", "4"}


def test_a_winner_waits_for_whoever_might_still_turn_out_better_but_not_beyond_the_deadline():
    few = [{"alias": "bold", "split": 1}]
    world = reaching(a_test(rivals=few, metrics=[{**ERRORS, "minSamples": 1}], spec={"deadline": "300s"}), 0.3, 0.6, 0.6)
    world.until(lambda status: goal(status.evidence).verdict == "Successful", requests=100)
    world.run(ticks=100, requests=10)
    assert (goal(world.status.evidence).verdict, goal(rival(world, "3").evidence).verdict) == ("Successful", "Inconclusive")
    assert not promoted(world.status)
    world.until(promoted, requests=10, ticks=300)
    assert world.status.stable.version == "2"
    assert world.clock.now() - began(world) >= timedelta(seconds=300)


def test_one_that_can_no_longer_reach_the_winner_is_not_waited_for():
    goal_of_theirs = {**GOAL, "minimumEffect": "0.02"}  # so that alike is not said soon
    world = reaching(a_test(rivals=[{"alias": "bold", "split": 20}], goal=goal_of_theirs), 0.3, 0.9, 0.3)
    world.until(promoted, requests=400)
    undecided, won = goal(rival(world, "3").evidence), goal(world.status.evidence)
    assert undecided.verdict == "Inconclusive"
    assert undecided.interval.high <= won.interval.low


@pytest.mark.parametrize(
    ("policy", "condition", "reason"),
    [("rollback", "RolledBack", "NoDifference"), ("promote", "Promoted", "GatesAgreed"), ("pause", "Paused", "Decided")],
)
def test_no_difference_is_said_when_it_is_said_of_all(policy: str, condition: str, reason: str):
    world = reaching(a_test(onNoDifference=policy), 0.5, 0.5, 0.5, 0.5)
    world.until(lambda status: status.is_true(condition) and status.candidate is not None, requests=800)
    assert world.status.condition(condition).reason == reason
    rows = [row for rows in (world.status.evidence, *(one.evidence for one in world.status.rivals)) for row in rows]
    assert [one.verdict for one in rows if one.metric == "purchase"] == ["NoDifference"] * 3


def test_one_whose_files_are_refused_is_out_and_the_others_begin_without_it():
    world = a_world()
    world.serving.behaviour["2"] = "refused"
    world.until(lambda status: status.canary_weight > 0)
    assert world.traffic.asked == {"1": 55, "3": 20, "4": 25}
    assert rival(world, "2").out.reason == "ArtifactRefused"
    assert world.traffic.sticky.zones == (Zone(version=None, first=0), Zone(version="3", first=30), Zone(version="4", first=50))


def test_one_that_does_not_start_in_time_is_out_and_says_so_until_then():
    world = a_world(spec={"progressDeadlineSeconds": 30})
    world.serving.behaviour["4"] = "starting"
    world.run(ticks=10)
    assert world.status.canary_weight == 0
    assert "version 4 is Starting" in world.status.condition("Progressing").message
    assert "version 2 is ready" in world.status.condition("Progressing").message
    world.until(lambda status: status.canary_weight > 0)
    assert rival(world, "4").out.reason == "ProgressDeadlineExceeded"


@pytest.mark.parametrize("version", ["2", "3"])
def test_the_champion_answers_the_users_of_one_whose_server_is_away(version: str):
    world = reaching(a_test(), 0.5, 0.5, 0.5, 0.5)
    world.run(ticks=3, requests=100)
    share = world.traffic.asked[version]
    world.serving.behaviour[version] = "failed"
    world.serving.crash(version)
    world.run(ticks=3, requests=100)
    assert (world.traffic.asked["1"], world.traffic.asked[version]) == (25 + share, 0)
    world.serving.behaviour[version] = "ready"
    world.until(lambda status: world.traffic.now.get(version) == share, requests=100)
    assert world.traffic.now["1"] == 25
    assert world.status.rivals[0].out is None


@pytest.mark.parametrize("version", ["2", "3"])
def test_one_whose_server_does_not_come_back_is_out_after_as_long_as_a_start_may_take(version: str):
    world = reaching(a_test(spec={"progressDeadlineSeconds": 30}), 0.5, 0.5, 0.5, 0.5)
    world.serving.behaviour[version] = "failed"
    world.serving.crash(version)
    world.run(ticks=25, requests=5)
    assert not any(one.out for one in world.status.rivals)
    world.run(ticks=10, requests=5)
    out = rival(world, version).out
    assert out.reason == "ProgressDeadlineExceeded"
    assert out.message.startswith("it lost its server, which was not back within 30 s: ")
    assert world.status.current_step_index is not None


def test_an_alias_that_moves_takes_its_version_out_and_no_other():
    world = reaching(a_test(), 0.5, 0.5, 0.5, 0.5)
    world.challenge("5", alias="bold")
    world.until(lambda status: any(one.out for one in status.rivals), requests=50)
    assert rival(world, "3").out.reason == "CandidateSuperseded"
    assert world.traffic.asked == {"1": 45, "2": 30, "3": 0, "4": 25}
    assert world.status.quarantine == ()


def test_a_person_promotes_one_by_making_it_the_champion_in_the_registry():
    world = reaching(a_test(), 0.5, 0.5, 0.5, 0.5)
    world.run(ticks=3, requests=50)
    world.ask(Verb.PROMOTE, full=True)
    world.tick()
    assert world.status.last_request_refusal.endswith(
        "several versions are in the test; move the alias champion to the one that is to serve, 2 or 3 or 4"
    )
    world.registry.aliases["champion"] = "4"
    world.until(promoted, requests=50)
    assert (world.status.stable.version, world.status.condition("Promoted").reason) == ("4", "PromotedInRegistry")
    assert world.status.quarantine == ()


def test_abort_takes_all_of_them_back_and_retry_starts_all_of_them_again():
    world = a_test()
    world.ask(Verb.ABORT)
    world.run(ticks=6)
    assert world.traffic.now == {"1": 100}
    assert {one.version for one in world.status.quarantine} == {"2", "3", "4"}
    world.ask(Verb.RETRY)
    world.until(lambda status: status.canary_weight > 0)
    assert world.traffic.asked == {"1": 25, "2": 30, "3": 20, "4": 25}


def test_a_winner_that_is_left_to_a_person_is_the_one_that_promote_means():
    world = reaching(a_test(onWinner="pause"), 0.3, 0.3, 0.8, 0.3)
    world.until(lambda status: status.is_true("Paused"), requests=400, ticks=400)
    assert world.status.candidate.version == "3"
    world.run(ticks=5, requests=50)
    assert world.traffic.now == {"1": 25, "2": 30, "3": 20, "4": 25}
    world.ask(Verb.PROMOTE)
    world.until(promoted, requests=50)
    assert world.status.stable.version == "3"


def test_a_rival_that_the_spec_has_no_more_leaves_and_one_that_is_new_waits_for_the_next_test():
    world = reaching(a_test(), 0.5, 0.5, 0.5, 0.5)
    world.run(ticks=3, requests=50)
    other = [{"alias": "bold", "split": 20}, {"alias": "late", "split": 5}]
    world.challenge("6", alias="late")
    world.store.put(a_rollout(strategy={"abTest": {**TEST, "rivals": other}}))
    world.run(ticks=5, requests=50)
    assert rival(world, "4").out.reason == "CandidateWithdrawn"
    assert world.traffic.now == {"1": 50, "2": 30, "3": 20}


def test_a_split_that_did_not_happen_for_one_is_no_evidence_about_it():
    world = reaching(a_test(), 0.3, 0.6, 0.6, 0.6)
    world.drawn = {"1": 25, "2": 30, "3": 5, "4": 25}
    world.run(ticks=30, requests=400)
    said = goal(rival(world, "3").evidence)
    assert "went to the candidate at 20 of 45 parts: not the split that was asked for" in said.message
    assert "not the split" not in goal(rival(world, "4").evidence).message


def test_what_each_one_was_judged_by_is_on_record():
    world = Simulation(a_rollout(strategy={"abTest": TEST}), audited=True)
    world.serve_first()
    for version, alias in (("2", "challenger"), ("3", "bold"), ("4", "calm")):
        world.challenge(version, alias=alias)
    world.quality = {"1": Quality(reached=0.5), "2": Quality(reached=0.5), "3": Quality(errors=0.6), "4": Quality(reached=0.5)}
    world.until(lambda status: any(one.out for one in status.rivals), requests=100)
    world.run(ticks=3, requests=100)
    records = [json.loads(text) for text in world.shelf.contents.values()]
    refused = next(one for one in records if any(decided["reason"] == "GateRefused" for decided in one["decided"]))
    assert {one["candidate"]["version"]: one.get("out") for one in refused["after"]["rivals"]} == {
        "3": "GateRefused",
        "4": None,
    }
    counted = next(one["gates"] for one in refused["rivals"] if one["version"] == "3")
    assert next(one for one in counted if one["metric"] == "error-rate")["verdict"] == "Failed"
