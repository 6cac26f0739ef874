"""Blue/green: the candidate beside the champion, judged on copies, then every request at once; the way back stays open."""

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.observation import Copies
from kanarya_rollout.replay import Counts, Replay
from kanarya_rollout.testing import ACCURACY, ERRORS, Quality, Simulation, a_rollout, promoted

PAIRED = {"name": "paired", "test": "sequential-pairs", "margin": {"tolerate": "0", "refuse": "-0.1"}}


def blue_green(metrics=(ERRORS,), **strategy) -> Simulation:
    world = Simulation(a_rollout(strategy={"blueGreen": strategy}, metrics=metrics, rollbackWindow="10m"))
    world.serve_first()
    world.challenge()
    return world


def weights(world: Simulation) -> set[int]:
    """Every weight that the candidate ever had."""
    return {status.canary_weight for status in world.store.history}


def test_everything_goes_to_the_candidate_at_once_when_the_gates_agree_on_copies():
    world = blue_green()
    world.until(lambda _: world.traffic.copied is not None)
    assert (world.traffic.now, world.traffic.copied) == ({"1": 100, "2": 0}, Copies(version="2", percent=100))
    world.until(promoted, requests=100)
    assert weights(world) == {0, 100}
    assert (world.traffic.now, world.traffic.copied) == ({"2": 100, "1": 0}, None)
    assert world.status.condition("Promoted").reason == "GatesAgreed"
    assert world.status.warm.version == "1"
    world.ask(Verb.UNDO)
    world.run(ticks=3)
    assert world.traffic.now == {"1": 100, "2": 0}


def test_a_bad_candidate_is_refused_before_it_has_answered_anybody():
    world = blue_green()
    world.quality["2"] = Quality(errors=0.4)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert weights(world) == {0}
    assert world.traffic.asked_copies is None


def test_with_approval_it_waits_for_a_person_and_for_the_gates():
    world = blue_green(metrics=[{**ERRORS, "minSamples": 0}], autoPromotionEnabled=False)
    world.until(lambda status: status.is_true("Paused"), requests=1)
    world.ask(Verb.PROMOTE)
    world.run(ticks=5, requests=1)
    assert (weights(world), world.status.current_step_index) == ({0}, 2)  # the gates cannot tell yet
    world.until(promoted, requests=100)

    patient = blue_green(autoPromotionEnabled=False)
    patient.run(ticks=30, requests=100)
    assert (weights(patient), patient.status.evidence[0].verdict) == ({0}, "Successful")
    assert patient.status.condition("Paused").reason == "PauseStep"
    patient.ask(Verb.PROMOTE)
    patient.until(promoted)


@pytest.mark.parametrize("automatic", [True, False])
def test_without_copies_only_gates_that_pass_on_silence_let_it_through(automatic):
    world = blue_green(metrics=[{**ERRORS, "minSamples": 0, "onNoData": "pass"}], mirror=0, autoPromotionEnabled=automatic)
    if not automatic:
        world.until(lambda status: status.is_true("Paused"))
        world.ask(Verb.PROMOTE)
    world.until(promoted)
    assert weights(world) == {0, 100}


def test_gates_that_copies_tell_nothing_pass_where_the_spec_says_so_and_pairs_need_no_weight():
    world = blue_green(metrics=[ERRORS, {**ACCURACY, "onNoData": "pass"}])
    world.until(promoted, requests=100)
    assert world.status.evidence[1].verdict == "NoData"
    assert a_rollout(strategy={"blueGreen": {}}, metrics=[ERRORS, PAIRED]).spec.strategy.steps[0].set_mirror.percentage == 100


def test_a_replay_knows_it():
    replay = Replay(a_rollout(strategy={"blueGreen": {}}, metrics=[ERRORS]))
    for _ in range(5):
        answer = replay.step(seconds=60, weight=0, candidate=Counts(requests=100), stable=Counts(requests=100))
    assert (answer.verdict, answer.weight) == ("Successful", 100)
