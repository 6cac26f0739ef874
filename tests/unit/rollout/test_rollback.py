"""Everything that ends a rollout without a promotion, and what is left afterwards."""

import json

import pytest

from kanarya_contracts.names import TAG_VERDICT, Verb
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, promoted

CEILING = {"name": "error-rate-ceiling", "test": "threshold", "failureCondition": "> 0.5", "minSamples": 10}


def on_its_way(rollout=None, *, weight: int = 10) -> Simulation:
    """A champion and a candidate that has that weight, in force."""
    world = Simulation(rollout)
    world.serve_first()
    world.run(ticks=2, requests=100)
    world.challenge()
    world.until(lambda status: status.canary_weight == weight, requests=100)
    world.tick()
    return world


def ended(world: Simulation, reason: str) -> bool:
    condition = world.status.condition("RolledBack")
    return condition is not None and condition.status == "True" and condition.reason == reason


def test_a_refused_artifact_never_gets_weight_and_the_message_names_the_file():
    world = Simulation()
    world.serve_first()
    world.serving.behaviour["2"] = "refused"
    world.challenge()
    world.run(ticks=10, requests=100)
    assert ended(world, "ArtifactRefused")
    assert "model.onnx: has digest sha256:bad" in world.status.condition("RolledBack").message
    assert all("2" not in status.model_dump_json() or status.canary_weight == 0 for status in world.store.history)
    assert world.traffic.asked == {"1": 100}
    assert world.registry.aliases["champion"] == "1"


def test_an_example_that_is_not_reproduced_never_gets_weight():
    world = Simulation()
    world.serve_first()
    world.serving.behaviour["2"] = "wrong-example"
    world.challenge()
    world.run(ticks=10, requests=100)
    assert ended(world, "ExampleNotReproduced")
    assert "row 0: label 'a', expected 'b'" in world.status.condition("RolledBack").message
    assert max(status.canary_weight for status in world.store.history) == 0


@pytest.mark.parametrize("behaviour", ["starting", "failed"])
def test_a_candidate_that_is_not_ready_in_time_is_rolled_back_with_what_its_server_said(behaviour: str):
    world = Simulation(a_rollout(progressDeadlineSeconds=60))
    world.serve_first()
    world.serving.behaviour["2"] = behaviour
    world.challenge()
    world.run(ticks=60)
    assert world.status.condition("Progressing").status == "True"
    world.run(ticks=3)
    assert ended(world, "ProgressDeadlineExceeded")
    assert "not ready within 60 s" in world.status.condition("RolledBack").message
    assert ("ended with status 1" in world.status.condition("RolledBack").message) == (behaviour == "failed")


def test_a_gate_that_refuses_takes_the_weight_first_then_stops_the_server():
    world = on_its_way(a_rollout(metrics=[ERRORS, ACCURACY]))
    world.quality["2"] = Quality(wrong=0.6)
    world.traffic.delay = 4
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert ended(world, "GateRefused")
    assert world.traffic.asked == {"1": 100, "2": 0}
    assert world.traffic.now == {"1": 90, "2": 10}
    assert "2" in world.serving.processes
    assert world.status.retiring.version == "2"
    world.until(lambda status: status.retiring is None, requests=100)
    assert world.traffic.now["1"] == 100
    assert set(world.serving.processes) == {"1"}


def test_a_refusal_says_the_numbers_in_the_condition_and_on_the_version():
    world = on_its_way(a_rollout(metrics=[ERRORS, ACCURACY]))
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    message = world.status.condition("RolledBack").message
    assert message.startswith("error-rate: 50% of ")
    assert message.endswith("of the stable version's: more than 1.2 times as many")
    verdict = json.loads(world.registry.versions["2"].tags[TAG_VERDICT])
    assert (verdict["verdict"], verdict["reason"], verdict["message"]) == ("RolledBack", "GateRefused", message)
    assert world.registry.aliases == {"champion": "1", "challenger": "2"}


def test_a_gate_that_refuses_rolls_back_while_it_is_paused():
    for steps, verb in (([{"setWeight": 10}, {"pause": {}}], None), ([{"setWeight": 10}, {"setWeight": 50}], Verb.PAUSE)):
        world = on_its_way(a_rollout(steps=steps))
        if verb:
            world.ask(verb)
        world.until(lambda status: status.is_true("Paused"), requests=100)
        world.quality["2"] = Quality(errors=0.5)
        world.until(lambda status: status.is_true("RolledBack"), requests=100)
        assert ended(world, "GateRefused")
        assert not world.status.is_true("Paused")


def test_the_absolute_guard_refuses_what_the_ratio_forgives():
    world = on_its_way(a_rollout(metrics=[ERRORS, CEILING]))
    world.quality = {"1": Quality(errors=0.8), "2": Quality(errors=0.8)}
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert world.status.condition("RolledBack").message.startswith("error-rate-ceiling: share failed 0.8")


def test_a_version_that_was_refused_is_not_tried_again_until_a_person_says_so():
    world = on_its_way()
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack") and status.retiring is None, requests=100)
    world.run(ticks=20, requests=100)
    assert not world.status.is_true("Progressing")
    world.quality["2"] = Quality()
    world.ask(Verb.RETRY)
    world.until(promoted, requests=200)
    assert world.registry.aliases["champion"] == "2"


def test_an_alias_that_is_removed_withdraws_and_set_again_begins_again():
    world = on_its_way()
    del world.registry.aliases["challenger"]
    world.until(lambda status: status.is_true("RolledBack") and status.retiring is None, requests=100)
    assert ended(world, "CandidateWithdrawn")
    world.run(ticks=5)
    assert not world.status.is_true("Progressing")
    world.registry.aliases["challenger"] = "2"
    world.until(promoted, requests=200)


def test_an_alias_that_moves_on_supersedes_and_the_new_version_follows():
    world = on_its_way()
    world.challenge("3")
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert ended(world, "CandidateSuperseded")
    assert world.traffic.asked == {"1": 100, "2": 0}
    world.until(lambda status: status.candidate.version == "3" and status.canary_weight == 10, requests=100)
    assert "2" not in world.serving.processes
    assert world.status.candidate.version == "3"
    assert json.loads(world.registry.versions["2"].tags[TAG_VERDICT])["reason"] == "CandidateSuperseded"


def test_a_version_that_is_deleted_is_rolled_back():
    world = on_its_way()
    world.registry.delete("2")
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert ended(world, "CandidateDeleted")
    world.run(ticks=5, requests=100)
    assert world.traffic.now["1"] == 100


def test_past_its_deadline_a_rollout_does_what_on_inconclusive_says():
    outcomes = {}
    for choice in ("pause", "rollback", "promote"):
        world = on_its_way(a_rollout(steps=[{"setWeight": 10}], deadline="60s", onInconclusive=choice))
        world.run(ticks=70, requests=1)
        outcomes[choice] = {c.type: c.reason for c in world.status.conditions if c.status == "True"}
        if choice == "pause":
            assert world.status.canary_weight == 10
            assert "of about" in world.status.condition("Paused").message
    assert outcomes["pause"]["Paused"] == "Inconclusive"
    assert outcomes["rollback"] == {"RolledBack": "DeadlineExceeded"}
    assert outcomes["promote"] == {"Promoted": "PromotedInconclusive"}


def test_after_the_deadline_a_person_decides():
    for verb, expected in ((Verb.PROMOTE, ("Promoted", "PromotedByRequest")), (Verb.ABORT, ("RolledBack", "AbortedByRequest"))):
        world = on_its_way(a_rollout(steps=[{"setWeight": 10}], deadline="60s"))
        world.until(lambda status: status.is_true("Paused"), requests=1)
        world.ask(verb)
        world.until(lambda status, expected=expected: status.is_true(expected[0]), requests=1)
        assert world.status.condition(expected[0]).reason == expected[1]


def test_a_deadline_never_promotes_past_a_pause_that_waits_for_a_person():
    world = on_its_way(a_rollout(steps=[{"setWeight": 10}, {"pause": {}}], deadline="60s", onInconclusive="promote"))
    world.run(ticks=100, requests=100)
    assert world.status.condition("Paused").reason == "PauseStep"
    assert world.status.canary_weight == 10


def test_a_candidate_that_loses_its_server_gets_nothing_until_it_is_back_and_begins_at_the_first_step():
    world = on_its_way(weight=50)
    seen = world.status.evidence[0].candidate.n
    world.serving.behaviour["2"] = "failed"
    world.serving.crash("2")
    world.tick(requests=100)
    assert (world.status.canary_weight, world.status.current_step_index) == (0, 0)
    assert world.traffic.asked == {"1": 100}
    assert not world.status.is_true("RolledBack")
    world.serving.behaviour["2"] = "ready"
    world.until(lambda status: status.canary_weight == 10, requests=100)
    assert world.status.evidence[0].candidate.n >= seen
    world.until(promoted, requests=200)
