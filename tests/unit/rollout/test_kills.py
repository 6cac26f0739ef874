"""The controller is killed before and after every single write of a whole rollout, and a fresh one goes on from the store."""

from collections.abc import Callable

import pytest

from kanarya_contracts.names import Verb
from kanarya_contracts.rollout import ModelRolloutStatus
from kanarya_rollout.testing import ACCURACY, ERRORS, Killed, Process, Quality, Simulation, a_rollout, promoted

GATES = [{**ERRORS, "minSamples": 20, "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.1"}}, ACCURACY]
STEPS = [{"setMirror": {"percentage": 50}}, {"setWeight": 10}, {"pause": {"duration": "3s"}}, {"setWeight": 50}]


def promotion(world: Simulation) -> bool:
    return promoted(world.status)


def rollback(world: Simulation) -> bool:
    return world.status.is_true("RolledBack")


def whole(kill_at: int | None, *, bad: bool, delay: int) -> tuple[Simulation, Process, Process, int]:
    """From nothing to the end of version 2's rollout; requests flow while the candidate has weight."""
    world = Simulation(a_rollout(steps=STEPS, metrics=GATES))
    world.fuse.at = kill_at
    world.traffic.delay = delay
    if bad:
        world.quality["2"] = Quality(errors=0.4, wrong=0.5)
    world.registry.register("1", alias="champion")
    kills = 0
    over: Callable[[Simulation], bool] = rollback if bad else promotion
    processes: dict[str, Process] = {}
    for _ in range(150):
        reached = world.traffic.now.get("2", 0) > 0 or world.traffic.copied is not None
        flowing = reached and world.status.candidate is not None and not over(world)
        kills += not world.tick_or_die(requests=100 if flowing else 0)
        processes |= world.serving.processes
        assert gateway_gives_no_more_than_the_status_says(world)
        if world.status.stable is not None and world.traffic.now == {"1": 100} and "2" not in world.registry.versions:
            world.challenge("2")
        if over(world) and world.status.retiring is None:
            break
    for _ in range(3):
        world.tick()
    return world, processes["1"], processes["2"], kills


def gateway_gives_no_more_than_the_status_says(world: Simulation) -> bool:
    stable = world.status.stable
    if stable is not None and stable.version == "2":
        return True
    if world.status.current_step_index is None and world.traffic.asked_copies is not None:
        return False
    return world.traffic.asked.get("2", 0) <= world.status.canary_weight


def outcome(world: Simulation) -> dict[str, object]:
    status: ModelRolloutStatus = world.status
    return {
        "stable": status.stable.version,
        "candidate": status.candidate.version,
        "weight": status.canary_weight,
        "step": status.current_step_index,
        "retiring": status.retiring,
        "conditions": {condition.type: (condition.status, condition.reason) for condition in status.conditions},
        "verdicts": [(one.metric, one.verdict) for one in status.evidence],
        "aliases": world.registry.aliases,
        "running": set(world.serving.processes),
        "gateway": {version: share for version, share in world.traffic.now.items() if share},
        "tagged": "kanarya.dev/verdict" in world.registry.versions["2"].tags,
    }


@pytest.mark.parametrize(("bad", "delay"), [(False, 0), (True, 0), (True, 2)], ids=["promotion", "rollback", "slow gateway"])
def test_killed_before_or_after_any_write_it_ends_the_same_and_counts_nothing_twice(bad: bool, delay: int):
    calm, *_ = whole(None, bad=bad, delay=delay)
    expected = outcome(calm)
    assert calm.fuse.moments > 25
    for moment in range(calm.fuse.moments):
        world, champion, candidate, kills = whole(moment, bad=bad, delay=delay)
        assert kills == 1, f"the fuse at {moment} did not go"
        assert outcome(world) == expected, f"killed at {moment}"
        errors, accuracy = world.status.evidence
        for process, tally, labels in (
            (candidate, errors.candidate, accuracy.candidate),
            (champion, errors.stable, accuracy.stable),
        ):
            version = process.version
            assert tally.n == process.counts[version, "requests", None, None], f"killed at {moment}"
            assert tally.bad == process.counts[version, "errors", None, None], f"killed at {moment}"
            assert labels.n == process.counts[version, "right", None, None] + process.counts[version, "wrong", None, None]
            assert labels.bad == process.counts[version, "wrong", None, None]


def undone(kill_at: int | None, *, delay: int, asked: bool) -> tuple[Simulation, int]:
    """Version 2 was promoted; a person undoes it, and asks no second time, or its own failures do."""
    world = Simulation(a_rollout(steps=STEPS, metrics=GATES, rollbackWindow="10m"))
    world.serve_first()
    world.challenge("2")
    world.until(promoted, requests=200)
    world.run(ticks=3)
    world.traffic.delay = delay
    world.fuse.moments, world.fuse.at = 0, kill_at
    if asked:
        world.ask(Verb.UNDO)
    else:
        world.quality["2"] = Quality(errors=0.9)
    kills, given = 0, 100
    for _ in range(20):
        kills += not world.tick_or_die(requests=0 if asked else 50)
        status, told = world.status, world.traffic.asked.get("2", 0)
        assert told <= (100 if status.stable.version == "2" else 0)  # never more than the status says
        assert told <= given  # and never back
        assert {version for version, share in world.traffic.asked.items() if share} <= set(world.serving.processes)
        given = told
    return world, kills


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize(("asked", "reason"), [(True, "UndoneByRequest"), (False, "Regressed")])
def test_killed_before_or_after_any_write_of_an_undo_it_ends_the_same(delay: int, asked: bool, reason: str):
    calm, _ = undone(None, delay=delay, asked=asked)
    expected = outcome(calm)
    assert (expected["stable"], expected["aliases"]["champion"], expected["running"]) == ("1", "1", {"1"})
    assert expected["conditions"]["RolledBack"] == ("True", reason)
    assert calm.fuse.moments > 10
    for moment in range(calm.fuse.moments):
        world, kills = undone(moment, delay=delay, asked=asked)
        assert kills == 1, f"the fuse at {moment} did not go"
        assert outcome(world) == expected, f"killed at {moment}"


USERS = {
    "split": 30,
    "rivals": [{"alias": "bold", "split": 20}, {"alias": "calm", "split": 20}],
    "sticky": {"header": "x-user-id"},
    "goal": {"name": "purchase", "minimumEffect": "0.2"},
}


def of_several(kill_at: int | None, *, delay: int) -> tuple[Simulation, dict[str, Process], int]:
    """An A/B test of three: version 3 answers errors and is taken out, version 2 is better than 1 and 4 and is promoted."""
    world = Simulation(a_rollout(strategy={"abTest": USERS}, metrics=GATES[:1]))
    world.fuse.at = kill_at
    world.traffic.delay = delay
    world.quality = {"1": Quality(reached=0.3), "2": Quality(reached=0.7), "4": Quality(reached=0.3)}
    world.quality["3"] = Quality(reached=0.3, errors=0.4)
    world.registry.register("1", alias="champion")
    kills, processes = 0, dict[str, Process]()
    for _ in range(150):
        flowing = world.traffic.now.get("2", 0) > 0 and not promotion(world)
        kills += not world.tick_or_die(requests=100 if flowing else 0)
        processes |= world.serving.processes
        assert nobody_is_given_more_than_the_status_says(world)
        if world.status.stable is not None and world.traffic.now == {"1": 100} and "2" not in world.registry.versions:
            for version, alias in (("2", "challenger"), ("3", "bold"), ("4", "calm")):
                world.challenge(version, alias=alias)
        if promotion(world) and all(one.gone for one in world.status.rivals) and world.status.retiring is None:
            break
    for _ in range(3):
        world.tick()
    return world, processes, kills


def nobody_is_given_more_than_the_status_says(world: Simulation) -> bool:
    """But for who was outdone: it did no harm, and its users move when the gateway hears of the promotion."""
    status, asked = world.status, world.traffic.asked
    if status.candidate is None or status.stable is None:
        return True
    outdone = {one.candidate.version for one in status.rivals if one.out is not None and one.out.reason == "Outdone"}
    said = {one.candidate.version: one.canary_weight for one in status.rivals if one.candidate.version not in outdone}
    said[status.candidate.version] = 100 if status.stable.version == status.candidate.version else status.canary_weight
    return all(asked.get(version, 0) <= weight for version, weight in said.items())


@pytest.mark.parametrize("delay", [0, 2])
def test_killed_before_or_after_any_write_of_a_test_of_several_it_ends_the_same_and_counts_nothing_twice(delay: int):
    calm, _, _ = of_several(None, delay=delay)
    expected = {**outcome(calm), "out": [(one.candidate.version, one.out.reason) for one in calm.status.rivals]}
    assert (expected["stable"], expected["running"], expected["gateway"]) == ("2", {"2"}, {"2": 100})
    assert expected["out"] == [("3", "GateRefused"), ("4", "Outdone")]
    for moment in range(calm.fuse.moments):
        world, processes, kills = of_several(moment, delay=delay)
        assert kills == 1, f"the fuse at {moment} did not go"
        assert {**outcome(world), "out": [(one.candidate.version, one.out.reason) for one in world.status.rivals]} == expected
        seen = {one.candidate.version: one.evidence for one in world.status.rivals} | {"2": world.status.evidence}
        for version, evidence in seen.items():
            for row in evidence:
                counted = "users" if row.metric == "purchase" else "requests"
                of = "purchase" if row.metric == "purchase" else None
                assert row.candidate.n <= processes[version].counts[version, counted, None, of], f"killed at {moment}"


def test_the_fuse_ends_a_pass_where_it_is_told():
    world = Simulation()
    world.registry.register("1", alias="champion")
    world.fuse.at = 0
    with pytest.raises(Killed):
        world.tick()
    assert world.store.history == []
