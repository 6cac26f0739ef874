"""Mirror first: the candidate gets copies, answers nobody, and is judged by what it does with them."""

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.observation import Copies
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, promoted

MIRROR = {"setMirror": {"percentage": 100}}
SPLIT = {"name": "split", "test": "sample-ratio"}
LENIENT = {**ERRORS, "minSamples": 0}


def mirrored(*steps, metrics=(ERRORS,), first=MIRROR, **spec) -> Simulation:
    world = Simulation(a_rollout(steps=[first, *steps, {"setWeight": 50}], metrics=metrics, **spec))
    world.serve_first()
    world.challenge()
    return world


def copying(world: Simulation):
    return lambda _: world.traffic.copied is not None


def at_weight(percent: int):
    return lambda status: status.canary_weight == percent


def test_copies_reach_the_candidate_and_nobody_gets_its_answers():
    world = mirrored(metrics=[{**ERRORS, "minSamples": 250}])
    world.until(copying(world))
    assert world.traffic.copied == Copies(version="2", percent=100)
    world.run(ticks=2, requests=100)
    [errors] = world.status.evidence
    assert (errors.candidate.n, errors.stable.n) == (200, 200)
    assert world.traffic.now == {"1": 100, "2": 0}
    assert world.status.condition("Progressing").message == ("version 2 at 0%, with copies of 100%: step 1 of 2, setMirror 100")


def test_the_step_ends_with_enough_copies_and_the_first_weight_ends_the_mirror():
    world = mirrored(metrics=[{**ERRORS, "minSamples": 250}])
    world.until(at_weight(50), requests=100)
    assert world.answered["2"] >= 250
    assert world.status.canary_mirror == 0
    world.tick()
    assert (world.traffic.now, world.traffic.copied) == ({"1": 50, "2": 50}, None)
    world.until(promoted, requests=100)


def test_a_share_of_the_requests_is_copied():
    world = mirrored(first={"setMirror": {"percentage": 25}}, metrics=[{**ERRORS, "minSamples": 500}])
    world.until(copying(world))
    world.run(ticks=4, requests=100)
    assert (world.status.evidence[0].candidate.n, world.status.evidence[0].stable.n) == (100, 400)


def test_a_candidate_that_fails_on_copies_is_rolled_back_before_it_has_answered_anybody():
    world = mirrored()
    world.quality["2"] = Quality(errors=0.3)
    world.until(lambda status: status.is_true("RolledBack"), requests=50)
    assert world.status.condition("RolledBack").reason == "GateRefused"
    assert world.status.canary_mirror == 0
    assert world.traffic.asked_copies is None
    assert all(status.canary_weight == 0 for status in world.store.history)


def test_a_server_that_still_gets_copies_is_not_stopped():
    world = mirrored()
    world.until(copying(world), requests=50)
    world.traffic.delay = 5
    world.ask(Verb.ABORT)
    world.tick()
    assert world.traffic.copied is not None

    def stopped(_) -> bool:
        assert world.traffic.copied is None or "2" in world.serving.processes
        return "2" not in world.serving.processes

    world.until(stopped)


def test_copies_stop_when_the_candidates_server_is_gone_and_start_again_with_it():
    world = mirrored()
    world.until(copying(world), requests=1)
    world.serving.behaviour["2"] = "starting"
    world.tick()
    assert (world.status.canary_mirror, world.traffic.asked_copies) == (0, None)
    world.serving.behaviour["2"] = "ready"
    world.until(copying(world), requests=1)


def test_an_analysis_step_waits_with_the_mirror_as_it_is():
    world = mirrored({"analysis": {"until": ["error-rate"]}}, metrics=[LENIENT])
    world.until(lambda status: status.current_step_index == 1, requests=10)
    world.run(ticks=3, requests=10)
    assert (world.status.current_step_index, world.traffic.copied) == (1, Copies(version="2", percent=100))
    world.until(at_weight(50), requests=100)
    assert world.status.evidence[0].verdict == "Successful"


@pytest.mark.parametrize("step", [{"pause": {}}, {"pause": {"duration": "5s"}}])
def test_a_pause_leaves_the_mirror_on_and_a_gate_may_still_refuse(step):
    world = mirrored(step, metrics=[LENIENT])
    world.until(lambda status: status.current_step_index == 1, requests=10)
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)


def test_a_mirror_of_nothing_ends_it():
    world = mirrored({"setMirror": {"percentage": 0}}, {"pause": {}}, metrics=[LENIENT])
    world.until(lambda status: status.is_true("Paused"), requests=10)
    assert (world.traffic.copied, world.status.canary_mirror, world.status.canary_weight) == (None, 0, 0)


def test_gates_on_what_copies_do_not_have_are_not_waited_for_while_there_are_only_copies():
    world = mirrored(metrics=[ERRORS, {**ACCURACY, "minSamples": 50}, {**SPLIT, "minSamples": 50}])
    world.until(at_weight(50), requests=100)
    errors, accuracy, split = world.status.evidence
    assert (errors.candidate.n >= 50, accuracy.candidate.n, split.verdict) == (True, 0, "NoData")
    world.until(promoted, requests=100)


def test_a_split_is_not_judged_by_copies_that_come_after_the_first_weight():
    world = mirrored(metrics=[{**ERRORS, "minSamples": 10_000}, SPLIT], first={"setMirror": {"percentage": 0}})
    world.until(at_weight(50))
    world.run(ticks=3)
    for _ in range(3):
        world.answer(world.serving.processes["2"], 500, copies=True)
        world.tick(requests=100)
    errors, split = world.status.evidence
    assert (errors.candidate.n, split.candidate.n, split.stable.n) == (1650, 150, 150)
    assert split.verdict == "Successful"


def test_a_promotion_ends_the_mirror():
    world = mirrored()
    world.until(copying(world), requests=1)
    world.ask(Verb.PROMOTE, full=True)
    world.until(promoted)
    assert (world.traffic.now, world.traffic.copied) == ({"2": 100, "1": 0}, None)
    assert world.status.canary_mirror == 0


def test_what_was_counted_while_the_champion_was_away_is_no_evidence():
    world = mirrored(metrics=[{**ERRORS, "minSamples": 10_000}])
    world.until(copying(world), requests=10)
    world.run(ticks=2, requests=10)
    before = world.status.evidence[0].candidate.n
    world.serving.behaviour["1"] = "starting"
    world.quality["2"] = Quality(errors=1.0)
    world.run(ticks=3, requests=50)
    assert world.status.evidence[0].candidate.n == before
    assert not world.status.is_true("RolledBack")


def test_a_gateway_that_does_not_copy_as_it_was_told_is_told_to_people():
    world = mirrored()
    world.traffic.delay = 10_000
    world.run(ticks=40)
    degraded = world.status.condition("Degraded")
    assert degraded.reason == "WeightNotInForce"
    assert degraded.message == (
        "the gateway was told version 1: 100%, version 2: 0%, copies of 100% to version 2 and routes version 1: 100%"
    )
