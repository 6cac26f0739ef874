"""From the first champion to a promotion, line by line."""

import json
from datetime import timedelta

import pytest

from kanarya_contracts.names import TAG_VERDICT, Verb
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, digest, promoted

THRESHOLD = {"name": "error-rate-ceiling", "test": "threshold", "failureCondition": "> 0.05", "minSamples": 20}


def at_weight(percent: int):
    return lambda status: status.canary_weight == percent


def promoted_alone(status: ModelRolloutStatus) -> bool:
    return promoted(status) and status.retiring is None


def paused_by(reason: str):
    return lambda status: status.is_true("Paused") and status.condition("Paused").reason == reason


def test_without_a_champion_nothing_is_started_and_the_status_says_why():
    world = Simulation()
    decision = world.tick()
    assert (decision.backends, decision.weights) == (None, None)
    condition = world.status.condition("Degraded")
    assert (condition.status, condition.reason) == ("True", "ChampionMissing")
    assert "no version of iris has the alias champion" in condition.message


def test_the_first_champion_is_started_and_asked_its_example_before_it_gets_every_request():
    world = Simulation()
    world.registry.register("1", alias="champion")
    decision = world.tick()
    assert world.status.condition("Progressing").reason == "DeployingChampion"
    assert (decision.backends.stable.version, decision.weights) == ("1", None)
    world.until(lambda status: status.stable is not None)
    assert world.status.stable.digest == digest("1")
    world.tick()
    assert world.traffic.now == {"1": 100}
    assert world.status.condition("Progressing").reason == "Idle"


@pytest.mark.parametrize("behaviour", ["refused", "wrong-example", "failed", "starting"])
def test_a_first_champion_that_is_not_what_was_registered_gets_no_request(behaviour: str):
    world = Simulation()
    world.serving.behaviour["1"] = behaviour
    world.registry.register("1", alias="champion")
    world.run(ticks=5)
    assert world.status.stable is None
    assert world.traffic.asked == {}


def test_a_version_without_a_digest_is_never_started():
    world = Simulation()
    world.registry.register("1", alias="champion", tagged=False)
    world.run(ticks=3)
    assert world.serving.started == []
    assert "has no tag kanarya.dev/digest" in world.status.condition("Degraded").message
    world = Simulation()
    world.serve_first()
    world.registry.register("2", alias="challenger", tagged=False)
    world.run(ticks=3)
    assert [ref.version for ref in world.serving.started] == ["1"]
    assert world.status.condition("RolledBack").reason == "ArtifactRefused"


def test_the_candidate_alias_pins_version_digest_and_place():
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.tick()
    assert world.status.candidate.model_dump() == {"version": "2", "digest": digest("2"), "uri": "s3://models/iris/2"}
    assert (world.status.current_step_index, world.status.canary_weight) == (0, 0)
    assert world.status.started_at == world.clock.now()
    assert world.status.condition("Progressing").reason == "Verifying"


def test_a_candidate_alias_on_the_champion_starts_nothing():
    world = Simulation()
    world.serve_first()
    world.registry.aliases["challenger"] = "1"
    world.run(ticks=3)
    assert world.status.candidate is None


def test_weights_rise_step_by_step_each_seen_at_the_gateway_before_it_counts():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"setWeight": 50}]))
    world.serve_first()
    world.traffic.delay = 3
    world.challenge()
    world.until(at_weight(10), requests=100)
    seen = []
    while world.status.canary_weight == 10:
        seen.append((dict(world.traffic.now), dict(world.status.ledger.step_observations)))
        world.tick(requests=100)
    early = [observed for weights, observed in seen if weights.get("2") != 10]
    assert len(early) >= 3
    assert not any(early)
    assert seen[-1][1]["error-rate"] < ERRORS["minSamples"]
    assert world.status.canary_weight == 50


def test_a_step_ends_when_every_gate_with_min_samples_has_seen_that_many_in_this_step():
    world = Simulation(a_rollout(metrics=[ERRORS, THRESHOLD]))
    world.serve_first()
    world.challenge()
    world.until(at_weight(50), requests=100)
    total = world.status.evidence[0].candidate.n
    assert total >= 50
    world.until(lambda status: status.current_step_index == 2, requests=20)
    assert world.status.evidence[0].candidate.n - total >= 50


def test_promotion_moves_traffic_then_the_alias_then_lets_the_old_champion_go():
    world = Simulation(a_rollout(metrics=[ERRORS, ACCURACY]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 100, requests=200)
    assert world.status.condition("Progressing").reason == "Promoting"
    assert world.registry.aliases["champion"] == "1"
    world.until(promoted, requests=200)
    assert world.traffic.now == {"1": 0, "2": 100}
    assert world.registry.aliases["champion"] == "2"
    assert world.status.retiring.version == "1"
    assert "1" in world.serving.processes
    world.until(lambda status: status.retiring is None)
    assert set(world.serving.processes) == {"2"}
    assert world.status.stable.version == "2"
    assert (world.status.canary_weight, world.status.current_step_index) == (0, None)
    assert [ref.version for ref in world.serving.started] == ["1", "2"]  # the promoted process was never restarted


def test_a_promotion_is_written_on_the_version_with_its_reason_and_time():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(promoted_alone, requests=200)
    verdict = json.loads(world.registry.versions["2"].tags[TAG_VERDICT])
    assert (verdict["rollout"], verdict["verdict"], verdict["reason"]) == ("iris", "Promoted", "GatesAgreed")
    assert "0% of" in verdict["message"]
    assert verdict["at"].startswith("2026-01-01T00:")


def test_the_old_champion_stays_while_the_gateway_still_lists_weight_on_it():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(promoted, requests=200)
    world.traffic.now, world.traffic._left = {"1": 5, "2": 95}, 10
    world.run(ticks=8)
    assert "1" in world.serving.processes
    world.until(promoted_alone)
    assert "1" not in world.serving.processes


def test_a_timed_pause_ends_by_itself_and_waits_for_nobody():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {"duration": "30s"}}, {"setWeight": 50}]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.current_step_index == 1, requests=100)
    began = world.clock.now()
    assert not world.status.is_true("Paused")
    world.until(at_weight(50), requests=10)
    assert timedelta(seconds=30) <= world.clock.now() - began <= timedelta(seconds=31)


def test_a_pause_without_duration_waits_for_a_promote():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}]))
    world.serve_first()
    world.challenge()
    world.until(paused_by("PauseStep"), requests=100)
    world.run(ticks=50, requests=100)
    assert world.status.canary_weight == 10
    world.ask(Verb.PROMOTE)
    world.tick()
    assert world.status.canary_weight == 50
    assert not world.status.is_true("Paused")


def test_an_analysis_step_waits_until_its_gates_agree():
    world = Simulation(
        a_rollout(
            steps=[{"setWeight": 10}, {"analysis": {"until": ["accuracy"]}}, {"setWeight": 50}], metrics=[THRESHOLD, ACCURACY]
        )
    )
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.current_step_index == 1, requests=100)
    assert world.status.evidence[1].verdict == "Inconclusive"
    world.until(at_weight(50), requests=50)
    assert world.status.evidence[1].verdict == "Successful"


def test_after_the_last_step_it_waits_until_every_gate_agrees():
    world = Simulation(a_rollout(steps=[{"setWeight": 10}], metrics=[{**ERRORS, "minSamples": 10}, THRESHOLD]))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.current_step_index == 1, requests=100)
    assert (world.status.evidence[0].verdict, world.status.canary_weight) == ("Inconclusive", 10)
    assert "until every gate agrees" in world.status.condition("Progressing").message
    world.until(promoted_alone, requests=100)


@pytest.mark.parametrize(("on_no_data", "outcome"), [("hold", None), ("fail", "RolledBack"), ("pass", "Promoted")])
def test_a_gate_without_data_does_what_its_spec_says(on_no_data: str, outcome: str | None):
    labels = {**ACCURACY, "onNoData": on_no_data}
    world = Simulation(a_rollout(metrics=[ERRORS, labels]))
    world.serve_first()
    world.challenge()
    world.quality = {"1": Quality(labels=0), "2": Quality(labels=0)}
    world.run(ticks=60, requests=200)
    assert world.status.is_true("Promoted") == (outcome == "Promoted")
    assert world.status.is_true("RolledBack") == (outcome == "RolledBack")
    if outcome is None:
        assert (world.status.canary_weight, world.status.current_step_index) == (50, 2)


def test_a_promoted_version_is_not_rolled_out_again():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(promoted_alone, requests=200)
    history = len(world.store.history)
    world.run(ticks=20, requests=100)
    assert len(world.store.history) == history  # nothing changes, nothing is written


def test_the_next_challenger_begins_with_empty_evidence():
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.until(promoted_alone, requests=200)
    world.challenge("3")
    world.tick(requests=200)
    assert (world.status.evidence, world.status.ledger.counters, world.status.ledger.gates) == ((), {}, {})
    assert not world.status.is_true("Promoted")
    world.until(promoted_alone, requests=200)
    assert world.registry.aliases["champion"] == "3"


def test_why_a_first_champion_does_not_serve_yet_is_said():
    world = Simulation(a_rollout())
    world.serving.behaviour["1"] = "failed"
    world.registry.register("1", alias="champion")
    world.run(ticks=3)
    said = "version 1 is verified and started: the process ended with status 1"
    assert world.status.condition("Progressing").message == said
