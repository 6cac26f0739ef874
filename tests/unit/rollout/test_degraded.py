"""Parts of the world that do not answer: everything holds, nothing is judged, and it goes on afterwards."""

from datetime import timedelta

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.testing import Quality, Simulation, a_rollout, promoted


def halfway() -> Simulation:
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=100)
    world.run(ticks=2, requests=100)
    return world


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        ("registry", "RegistryUnreachable"),
        ("metrics", "MetricsUnreachable"),
        ("traffic", "TrafficUnreachable"),
        ("serving", "ChampionNotReady"),
    ],
)
def test_a_port_that_does_not_answer_holds_the_weight_and_the_rollout_goes_on_afterwards(port: str, reason: str):
    world = halfway()
    getattr(world, port).reachable = False
    world.run(ticks=120, requests=100)
    condition = world.status.condition("Degraded")
    assert (condition.status, condition.reason) == ("True", reason)
    assert "does not answer" in condition.message or "no process answers" in condition.message
    assert (world.status.canary_weight, world.status.current_step_index) == (10, 0)
    assert not world.status.is_true("RolledBack")
    getattr(world, port).reachable = True
    world.until(promoted, requests=200)
    assert not world.status.is_true("Degraded")


def test_a_candidate_that_is_ready_while_the_counters_are_away_says_that_it_waits():
    world = Simulation()
    world.serve_first()
    world.metrics.reachable = False
    world.challenge()
    world.run(ticks=30, requests=100)
    assert world.status.condition("Progressing").message.startswith("version 2 is ready, and gets its first weight when")
    assert world.status.canary_weight == 0
    world.metrics.reachable = True
    world.until(promoted, requests=200)


@pytest.mark.parametrize("port", ["registry", "traffic", "serving"])
def test_a_gate_that_refuses_takes_the_weight_while_a_port_is_away(port: str):
    world = halfway()
    getattr(world, port).reachable = False
    world.quality["2"] = Quality(errors=0.5)
    world.run(ticks=20, requests=100)
    if port == "traffic":  # the weight cannot be taken, so the status does not claim it
        assert world.status.condition("Degraded").reason == "TrafficUnreachable"
        assert world.status.canary_weight == 10
        world.traffic.reachable = True
        world.tick()
    assert world.status.condition("RolledBack").reason == "GateRefused"
    assert world.traffic.asked["1"] == 100


def test_what_was_counted_during_an_outage_of_the_metrics_is_counted_once_afterwards():
    world = halfway()
    world.metrics.reachable = False
    world.run(ticks=5, requests=10)
    world.metrics.reachable = True
    world.tick()
    process = world.serving.processes["2"]
    assert world.status.evidence[0].candidate.n == process.counts["2", "requests", None, None]


def test_a_deadline_does_not_pass_a_verdict_while_something_is_missing():
    world = Simulation(a_rollout(deadline="60s", onInconclusive="rollback"))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10)
    world.metrics.reachable = False
    world.run(ticks=100)
    assert not world.status.is_true("RolledBack")
    world.metrics.reachable = True
    world.run(ticks=2)
    assert world.status.condition("RolledBack").reason == "DeadlineExceeded"


def test_the_progress_deadline_does_not_pass_while_servers_cannot_be_seen():
    world = Simulation(a_rollout(progressDeadlineSeconds=30))
    world.serve_first()
    world.challenge()
    world.serving.behaviour["2"] = "starting"
    world.run(ticks=2)
    world.serving.reachable = False
    world.run(ticks=60)
    assert not world.status.is_true("RolledBack")


def test_a_registry_that_is_away_does_not_stop_the_champion_from_being_kept_running():
    world = Simulation()
    world.serve_first()
    world.registry.reachable = False
    world.run(ticks=3)
    world.serving.crash("1")
    world.run(ticks=3)
    assert "1" in world.serving.processes


def test_a_champion_without_a_server_holds_the_candidate_where_it_is():
    world = halfway()
    world.serving.behaviour["1"] = "failed"
    world.serving.crash("1")
    world.run(ticks=20, requests=100)
    assert world.status.condition("Degraded").reason == "ChampionNotReady"
    assert world.status.canary_weight == 10
    assert world.traffic.now == {"1": 90, "2": 10}


def test_a_route_that_someone_else_wrote_pauses_and_is_not_written_over():
    world = halfway()
    world.traffic.foreign = True
    world.traffic.now = {"1": 50, "2": 50}
    world.run(ticks=30, requests=100)
    condition = world.status.condition("Paused")
    assert (condition.reason, world.status.canary_weight) == ("WeightNotInForce", 10)
    assert "`kanarya rollout resume` takes it back" in condition.message
    assert world.traffic.foreign
    world.ask(Verb.RESUME)
    world.run(ticks=2)
    assert world.traffic.now == {"1": 90, "2": 10}
    world.until(promoted, requests=200)


def test_a_gate_that_refuses_takes_the_candidate_out_of_a_route_that_someone_else_wrote():
    world = halfway()
    world.traffic.foreign = True
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert world.traffic.asked == {"1": 100, "2": 0}


def test_a_weight_that_does_not_come_into_force_is_said_after_a_while_and_nothing_counts():
    world = Simulation()
    world.serve_first()
    world.traffic.delay = 60
    world.challenge()
    world.until(lambda status: status.canary_weight == 10)
    began = world.clock.now()
    world.until(lambda status: status.is_true("Degraded"), requests=100)
    assert world.clock.now() - began >= timedelta(seconds=29)
    assert world.status.condition("Degraded").reason == "WeightNotInForce"
    assert "was told version 1: 90%, version 2: 10% and routes version 1: 100%" in world.status.condition("Degraded").message
    world.until(promoted, requests=200)


def test_an_alias_that_cannot_be_moved_leaves_everything_as_it_was_but_degraded():
    world = halfway()
    world.until(lambda status: status.canary_weight == 100, requests=200)
    world.registry.reachable = False
    world.run(ticks=5, requests=10)
    assert world.status.condition("Degraded").reason == "RegistryUnreachable"
    assert not world.status.is_true("Promoted")
    assert world.status.stable.version == "1"
    world.registry.reachable = True
    world.until(promoted, requests=10)
    assert world.status.condition("Promoted").reason == "GatesAgreed"


def without_a_champion(world: Simulation) -> None:
    world.serving.behaviour["1"] = "failed"
    world.serving.crash("1")
    world.tick()
    world.traffic.now = {"2": 100}  # as Envoy Gateway does with the share of a backend without endpoints
    world.traffic.asked = {"2": 100}


def test_a_champion_without_a_server_is_said_with_who_answers_in_its_place():
    world = halfway()
    without_a_champion(world)
    message = world.status.condition("Degraded").message
    assert "version 1 serves and is Failed" in message
    assert "gives its share to version 2, which then gets every request and keeps its weight" in message
    assert message.endswith("nothing that is counted now is evidence")


@pytest.mark.parametrize("quality", [Quality(), Quality(errors=0.9)], ids=["good", "overloaded"])
def test_what_is_counted_while_the_champion_has_no_server_is_evidence_of_nothing(quality: Quality):
    world = halfway()
    seen, step = world.status.evidence, world.status.current_step_index
    world.quality["2"] = quality
    without_a_champion(world)
    for _ in range(60):
        world.answer(world.serving.processes["2"], 500)
        world.tick()
    assert (world.status.evidence, world.status.current_step_index, world.status.canary_weight) == (seen, step, 10)
    assert not world.status.is_true("RolledBack")
    world.serving.behaviour["1"] = "ready"
    world.tick()  # seen back: what is counted until an interval later may still be from before
    world.answer(world.serving.processes["2"], 500)
    world.run(ticks=2)
    assert world.status.evidence == seen
    world.quality["2"] = Quality()
    world.until(promoted, requests=200)


def test_a_window_that_only_partly_had_a_champion_is_left_out():
    world = Simulation(a_rollout(analysis={"interval": "30s"}))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10)
    world.run(ticks=2)
    seen = world.status.evidence[0].candidate.n
    world.run(ticks=3, requests=100)  # counted, but not read before the champion is lost
    without_a_champion(world)
    world.answer(world.serving.processes["2"], 1000)
    world.fresh_controller()  # and it is not forgotten
    world.serving.behaviour["1"] = "ready"
    world.until(lambda status: not status.ledger.champion_lost)
    assert world.status.evidence[0].candidate.n == seen
    world.run(ticks=30, requests=100)
    assert world.status.evidence[0].candidate.n == seen + 30 * 10
