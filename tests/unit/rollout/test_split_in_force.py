"""What was split by another weight is no evidence for or against the present one, however late counters and gateway are."""

from datetime import timedelta

import pytest

from kanarya_rollout.testing import Quality, Simulation, a_rollout, promoted

SPLIT = {"name": "split", "test": "sample-ratio", "minSamples": 4000}
TEST = {
    "split": 20,
    "sticky": {"header": "x-user-id"},
    "goal": {"name": "purchase", "minimumEffect": "0.1"},
    "minimumDuration": "150s",
}


def world_of(*, every: float = 0.0, lag: float = 0.0, **spec) -> Simulation:
    world = Simulation(a_rollout(**spec))
    world.metrics.every, world.traffic.lag = every, timedelta(seconds=lag)
    world.serve_first()
    world.challenge()
    return world


def run(world: Simulation, *, ticks: int, late: int = 0) -> set[str]:
    """A thousand requests a tick, split as they were `late` ticks ago. Everything that the gate on the split says."""
    said, shares = set(), [dict(world.traffic.now)] * (late + 1)
    for _ in range(ticks):
        shares.append(dict(world.traffic.now))
        world.drawn = shares[-1 - late]
        world.tick(requests=1000)
        said |= {row.message for row in world.status.evidence if row.metric in {"split", "purchase"}}
        if promoted(world.status):
            break
    return said


@pytest.mark.parametrize(("every", "late"), [(0, 0), (7, 0), (30, 0), (0, 4), (7, 4)])
def test_a_split_that_is_right_is_believed_at_every_weight(every: int, late: int):
    world = world_of(every=every, lag=late, steps=[{"setWeight": 10}, {"setWeight": 50}], metrics=[SPLIT])
    said = run(world, ticks=400, late=late)
    assert promoted(world.status)
    assert [one for one in said if "not the split that was asked for" in one] == []


@pytest.mark.parametrize(("every", "late"), [(7, 0), (0, 4), (30, 4)])
def test_a_winner_whose_split_was_edited_is_not_held_up_by_users_who_were_drawn_before(every: int, late: int):
    world = world_of(every=every, lag=late, strategy={"abTest": TEST})
    world.quality["2"] = Quality(reached=0.9)
    run(world, ticks=120, late=late)
    assert world.status.canary_weight == 20
    world.store.put(a_rollout(strategy={"abTest": {**TEST, "split": 50}}))
    said = run(world, ticks=100, late=late)
    assert promoted(world.status)
    assert [one for one in said if "not the split that was asked for" in one] == []


@pytest.mark.parametrize("every", [0, 7])
def test_a_split_that_is_wrong_is_still_found(every: int):
    world = world_of(every=every, lag=5, steps=[{"setWeight": 10}], metrics=[SPLIT])
    world.until(lambda status: status.canary_weight == 10)
    world.drawn = {"1": 80, "2": 20}
    world.run(ticks=60, requests=1000)
    assert "not the split that was asked for" in world.status.evidence[0].message


def test_a_controller_that_begins_anew_does_not_forget_since_when_the_gateway_has_its_split():
    world = world_of(lag=5, steps=[{"setWeight": 10}], metrics=[SPLIT])
    world.until(lambda status: status.canary_weight == 10)
    counted = []
    for _ in range(8):
        world.fresh_controller()
        world.tick(requests=1000)
        counted.append(world.status.evidence[0].candidate.n)
    assert counted == [0] * 6 + [100, 200]


def test_a_clock_that_is_put_back_does_not_keep_the_split_from_being_counted():
    world = world_of(lag=5, steps=[{"setWeight": 10}], metrics=[SPLIT])
    world.until(lambda status: status.canary_weight == 10)
    world.run(ticks=2, requests=1000)
    world.clock.advance(-3600)
    world.run(ticks=10, requests=1000)
    assert world.status.evidence[0].candidate.n > 0
