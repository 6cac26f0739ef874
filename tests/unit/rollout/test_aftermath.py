"""After a promotion, while there is a way back: the new champion against its own past."""

import json

import pytest

from kanarya_contracts.names import TAG_VERDICT, Verb
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, promoted

BASE = {"errors": 0.02, "wrong": 0.1}


def just_promoted(*, quality: Quality | None = None, window: str = "10m", **spec: object) -> Simulation:
    """Version 2 was promoted over version 1, a moment ago, after a few thousand requests."""
    world = Simulation(a_rollout(metrics=[{**ERRORS, "minSamples": 500}, ACCURACY], rollbackWindow=window, **spec))
    world.serve_first()
    world.quality = dict.fromkeys("12", quality or Quality(**BASE))
    world.challenge("2")
    world.until(promoted, requests=500)
    return world


def serves(world: Simulation) -> tuple[str, str]:
    return world.status.stable.version, world.registry.aliases["champion"]


def back(status) -> bool:
    return status.is_true("RolledBack") and not status.is_true("Progressing") and status.retiring is None


@pytest.mark.parametrize(("worse", "gate"), [({"errors": 0.3}, "error-rate"), ({"wrong": 0.6}, "accuracy")])
def test_one_that_degrades_gives_way_to_the_former_champion_which_is_warm(worse, gate: str):
    world = just_promoted()
    world.run(ticks=20, requests=50)
    assert serves(world) == ("2", "2")
    started = len(world.serving.started)
    world.quality["2"] = Quality(**{**BASE, **worse})
    world.until(back, requests=50)
    assert (serves(world), world.traffic.now["1"], len(world.serving.started)) == (("1", "1"), 100, started)
    condition = world.status.condition("RolledBack")
    assert condition.reason == "Regressed"
    assert condition.message.startswith(f"{gate}: ")
    assert "since the promotion" in condition.message
    assert [(one.version, one.reason) for one in world.status.quarantine] == [("2", "Regressed")]
    assert json.loads(world.registry.versions["2"].tags[TAG_VERDICT])["reason"] == "Regressed"
    world.run(ticks=20, requests=100)
    assert serves(world) == ("1", "1")


def test_the_weight_goes_first_and_waits_for_no_registry():
    world = just_promoted()
    world.quality["2"] = Quality(errors=0.9)
    world.registry.reachable = False
    world.until(lambda status: status.is_true("RolledBack"), requests=50)
    assert world.traffic.asked == {"1": 100, "2": 0}
    assert world.registry.aliases["champion"] == "2"
    world.registry.reachable = True
    world.until(back)
    assert serves(world) == ("1", "1")


def test_one_that_goes_on_as_before_stays_and_what_was_counted_is_shown():
    world = just_promoted(window="3m")
    world.run(ticks=100, requests=100)
    errors, accuracy = world.status.since_promotion
    assert (errors.metric, accuracy.metric) == ("error-rate", "accuracy")
    assert errors.candidate.n >= 9_800
    assert errors.stable == world.status.evidence[0].candidate
    assert "no evidence of more than" in errors.message
    world.run(ticks=100, requests=100)
    assert (world.status.warm, serves(world)) == (None, ("2", "2"))


def test_what_happens_after_the_window_is_nobodys_business_here():
    world = just_promoted(window="20s")
    world.run(ticks=30, requests=10)
    world.quality["2"] = Quality(errors=0.9)
    world.run(ticks=30, requests=100)
    assert serves(world) == ("2", "2")


def test_alert_tells_once_and_leaves_it_to_a_person():
    world = just_promoted(onRegression="alert")
    world.quality["2"] = Quality(errors=0.5)
    told = [event for _ in range(40) for event in world.tick(requests=100).events]
    assert [(event.type, event.reason) for event in told] == [("Warning", "Regressed")]
    assert told[0].message.endswith("`kanarya rollout undo iris` goes back")
    assert serves(world) == ("2", "2")
    world.ask(Verb.UNDO)
    world.until(back)
    assert serves(world) == ("1", "1")


def test_a_way_back_that_is_closed_is_said_and_taken_when_it_opens_without_another_request():
    world = just_promoted()
    world.run(ticks=2, requests=100)
    world.serving.behaviour["1"] = "starting"
    world.quality["2"] = Quality(errors=0.5)
    told = [event for _ in range(20) for event in world.tick(requests=100).events]
    assert [event.reason for event in told if event.type == "Warning"] == ["Regressed"]
    assert "it stays: version 1 is Starting" in told[0].message
    world.serving.behaviour["1"] = "ready"
    world.run(ticks=10)
    assert serves(world) == ("1", "1")


def test_a_restarted_controller_and_a_restarted_server_count_nothing_twice():
    world = just_promoted()
    began = world.serving.processes["2"].counts["2", "requests", None, None] - world.status.evidence[0].candidate.n
    world.run(ticks=5, requests=100)
    world.fresh_controller()
    world.run(ticks=5, requests=100)
    before = world.serving.processes["2"].counts["2", "requests", None, None]
    world.serving.restart("2")
    world.run(ticks=5, requests=100)
    after = world.serving.processes["2"].counts["2", "requests", None, None]
    seen = world.status.since_promotion[0].candidate.n + world.status.evidence[0].candidate.n
    assert seen == before + after - began
    assert world.status.since_promotion[0].candidate.n == 1500


def test_counters_that_cannot_be_read_are_no_verdict():
    world = just_promoted()
    world.quality["2"] = Quality(errors=0.9)
    world.metrics.reachable = False
    world.run(ticks=20, requests=100)
    assert (serves(world), world.status.condition("Degraded").reason) == (("2", "2"), "MetricsUnreachable")
    world.metrics.reachable = True
    world.until(back, requests=10)


def test_a_version_that_a_person_promoted_without_evidence_has_no_past_to_be_held_to():
    world = Simulation(a_rollout(rollbackWindow="10m"))
    world.serve_first()
    world.challenge("2")
    world.until(lambda status: status.canary_weight == 10)
    world.ask(Verb.PROMOTE, full=True)
    world.until(promoted)
    world.quality["2"] = Quality(errors=0.9)
    world.run(ticks=20, requests=100)
    assert serves(world) == ("2", "2")
    assert world.status.since_promotion[0].message.endswith("0 before it are too few to be compared with")
