"""Drift of the inputs: it holds a candidate and is told; it takes nobody back."""

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.testing import Quality, Simulation, a_rollout, promoted

DRIFT = ("petal_length", "petal_width", "sepal_length", "sepal_width")


def drifting(**analysis: str) -> Simulation:
    """A candidate at its first weight, whose requests are unlike its training rows."""
    world = Simulation(a_rollout(analysis=analysis))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == 10, requests=10)
    world.metrics.drift = {"2": DRIFT}
    return world


def test_a_candidate_whose_inputs_drift_holds_and_goes_on_when_they_do_not_any_more():
    world = drifting()
    told = [event.reason for _ in range(60) for event in world.tick(requests=200).events]
    condition = world.status.condition("Paused")
    assert (world.status.canary_weight, condition.status, condition.reason) == (10, "True", "InputDrift")
    assert "trained on: petal_length, petal_width, sepal_length and 1 more; it holds" in condition.message
    assert told == ["InputDrift"]
    assert not world.status.is_true("RolledBack")
    world.metrics.drift = {}
    world.until(promoted, requests=200)
    assert not world.status.is_true("Paused")


def test_a_gate_still_refuses_and_a_person_may_go_on():
    world = drifting()
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert world.status.condition("RolledBack").reason == "GateRefused"
    world = drifting()
    world.run(ticks=3, requests=100)
    world.ask(Verb.PROMOTE, full=True)
    world.until(promoted, requests=100)


@pytest.mark.parametrize(("version", "analysis"), [("2", {"onInputDrift": "ignore"}), ("1", {})])
def test_drift_that_is_ignored_or_is_the_champions_alone_holds_nobody(version: str, analysis: dict[str, str]):
    world = drifting(**analysis)
    world.metrics.drift = {version: DRIFT}
    world.until(promoted, requests=200)
