"""What people ask: done once, or answered with the reason why not."""

import pytest

from kanarya_contracts.names import ANNOTATION_REQUEST, Verb
from kanarya_rollout.testing import ERRORS, Quality, Simulation, a_rollout, promoted


def at(weight: int = 10, **spec) -> Simulation:
    world = Simulation(a_rollout(**spec))
    world.serve_first()
    world.challenge()
    world.until(lambda status: status.canary_weight == weight, requests=100)
    world.tick()
    return world


def refusals(decision) -> list[str]:
    return [event.message for event in decision.events if event.reason == "RequestRefused"]


@pytest.mark.parametrize(
    ("verb", "why"),
    [
        (Verb.PROMOTE, "no candidate is on its way"),
        (Verb.ABORT, "no candidate is on its way"),
        (Verb.PAUSE, "no candidate is on its way"),
        (Verb.RESUME, "it is not paused"),
        (Verb.RETRY, "no candidate was rolled back"),
    ],
)
def test_a_request_that_makes_no_sense_while_idle_is_answered_with_the_reason(verb: Verb, why: str):
    world = Simulation()
    world.serve_first()
    world.ask(verb)
    assert refusals(world.tick()) == [f"{verb} was asked by ada, but {why}"]
    assert world.status.last_request_id == "request-1"
    assert refusals(world.tick()) == []


def test_a_promote_without_a_pause_says_how_to_skip_the_steps():
    world = at()
    world.ask(Verb.PROMOTE)
    assert "there is no pause to end; `--full`" in refusals(world.tick())[0]


def test_a_promote_before_the_candidate_is_verified_is_refused():
    world = Simulation()
    world.serve_first()
    world.serving.behaviour["2"] = "starting"
    world.challenge()
    world.run(ticks=2)
    world.ask(Verb.PROMOTE, full=True)
    assert "version 2 is not verified and ready yet" in refusals(world.tick())[0]
    assert world.status.canary_weight == 0


def test_a_full_promote_skips_what_is_left():
    world = at()
    world.ask(Verb.PROMOTE, full=True)
    world.until(promoted, requests=10)
    assert world.status.condition("Promoted").reason == "PromotedByRequest"
    assert "by ada" in world.status.condition("Promoted").message
    assert world.registry.aliases["champion"] == "2"


def test_a_full_promote_of_a_candidate_that_a_gate_refuses_is_rolled_back():
    world = at()
    world.quality["2"] = Quality(errors=0.9)
    world.send(1000)
    world.ask(Verb.PROMOTE, full=True)
    world.tick()
    assert world.status.condition("RolledBack").reason == "GateRefused"


def test_an_abort_takes_the_weight_and_says_who_asked():
    world = at()
    world.ask(Verb.ABORT)
    world.tick()
    condition = world.status.condition("RolledBack")
    assert (condition.reason, condition.message) == ("AbortedByRequest", "asked by ada")
    assert world.traffic.asked == {"1": 100, "2": 0}
    world.run(ticks=20, requests=100)
    assert not world.status.is_true("Progressing")


def test_a_pause_freezes_the_steps_and_keeps_the_weight_until_resume():
    world = at()
    world.ask(Verb.PAUSE)
    world.run(ticks=30, requests=100)
    assert (world.status.canary_weight, world.status.condition("Paused").reason) == (10, "PausedByRequest")
    assert world.traffic.now == {"1": 90, "2": 10}
    world.ask(Verb.RESUME)
    world.until(promoted, requests=200)


def test_a_promote_ends_a_pause_that_a_person_asked_for():
    world = at()
    world.ask(Verb.PAUSE)
    world.tick()
    world.ask(Verb.PROMOTE)
    world.tick()
    assert not world.status.is_true("Paused")


def test_a_pause_before_the_first_weight_keeps_it_at_nothing():
    world = Simulation()
    world.serve_first()
    world.challenge()
    world.tick()
    world.ask(Verb.PAUSE)
    world.run(ticks=10, requests=100)
    assert world.status.canary_weight == 0
    world.ask(Verb.RESUME)
    world.until(lambda status: status.canary_weight == 10)


def test_a_resume_of_a_pause_step_names_promote():
    world = at(steps=[{"setWeight": 10}, {"pause": {}}], metrics=[{**ERRORS, "minSamples": 0}])
    world.until(lambda status: status.is_true("Paused"))
    world.ask(Verb.RESUME)
    assert "the step waits for `promote`" in refusals(world.tick())[0]


def test_a_pause_step_does_not_end_while_something_is_missing():
    world = at(steps=[{"setWeight": 10}, {"pause": {}}, {"setWeight": 50}], metrics=[{**ERRORS, "minSamples": 0}])
    world.until(lambda status: status.is_true("Paused"))
    world.metrics.reachable = False
    world.run(ticks=2)
    world.ask(Verb.PROMOTE)
    assert "nothing may move on: no process answers a scrape" in refusals(world.tick())[0]
    assert world.status.canary_weight == 10


def test_a_retry_without_the_alias_is_refused():
    world = at()
    world.ask(Verb.ABORT)
    world.tick()
    del world.registry.aliases["challenger"]
    world.clock.advance(5)
    world.ask(Verb.RETRY)
    assert "no version has the alias challenger any more" in refusals(world.tick())[0]


def test_a_request_that_cannot_be_read_is_answered_once_with_what_is_wrong():
    world = Simulation()
    world.serve_first()
    rollout, _ = world.store.get("iris")
    annotations = {ANNOTATION_REQUEST: '{"id": "x", "verb": "explode"}'}
    world.store.put(rollout.model_copy(update={"metadata": rollout.metadata.model_copy(update={"annotations": annotations})}))
    first, second = world.tick(), world.tick()
    assert "verb" in refusals(first)[0]
    assert refusals(second) == []
