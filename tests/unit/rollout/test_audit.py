"""Decisions on record: each once, with who and on which numbers, wherever the controller ends and whatever is away."""

from kanarya_contracts.audit import Head, Record, faults, opened, parsed
from kanarya_contracts.names import TAG_AUDIT, Verb
from kanarya_rollout.decide.audit import MOST
from kanarya_rollout.testing import ACCURACY, ERRORS, Simulation, a_rollout, promoted

GATES = [{**ERRORS, "minSamples": 20, "margin": {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.1"}}, ACCURACY]
STEPS = [{"setWeight": 10}, {"pause": {"duration": "3s"}}, {"setWeight": 50}]


def records(world: Simulation) -> list[Record]:
    return [opened(content) for content in world.shelf.under("default/iris/").values()]


def reasons(world: Simulation) -> list[str]:
    return [one.reason for record in records(world) for one in record.decided]


def is_whole(world: Simulation) -> bool:
    """One chain, unbroken up to the last record that status and registry know."""
    known = world.status.audit
    stored = {opened(content).sequence: content for content in world.shelf.contents.values()}
    heads = (
        Head(sequence=known.sequence, hash=known.hash, known_to="the status"),
        Head.of(parsed(world.registry.tags[f"{TAG_AUDIT}{known.chain}"].encode()), "the registry"),
    )
    return len(stored) == len(world.shelf.contents) and not known.pending and faults(known.chain, stored, heads) == []


def whole(kill_at: int | None = None, *, steps: list[dict[str, object]] = STEPS) -> tuple[Simulation, int]:
    """From nothing to version 2's promotion, and a few passes more."""
    world = Simulation(a_rollout(steps=steps, metrics=GATES), audited=True)
    world.fuse.at = kill_at
    world.registry.register("1", alias="champion")
    kills = left = 0
    while left < 4:
        flowing = world.traffic.now.get("2", 0) > 0 and world.status.current_step_index is not None
        kills += not world.tick_or_die(requests=200 if flowing else 0)
        if world.status.stable is not None and world.traffic.now == {"1": 100} and "2" not in world.registry.versions:
            world.challenge("2")
        left += promoted(world.status)
    return world, kills


def test_a_promotion_is_on_record_from_the_first_champion_to_the_last_step():
    world, _ = whole()
    assert is_whole(world)
    assert reasons(world)[:4] == ["DeployingChampion", "Verifying", "ShiftingTraffic", "ShiftingTraffic"]
    assert reasons(world)[-2:] == ["Promoting", "GatesAgreed"]
    last = records(world)[-1]
    assert (last.controller, last.request, last.query) == ("controller", None, "scrape")
    assert (last.before.stable.version, last.after.stable.version) == ("1", "2")
    assert (last.before.weight, last.after.weight) == (100, 0)
    assert last.after.stable.digest == world.registry.versions["2"].digest
    assert [(gate.metric, gate.verdict, gate.candidate.n > 0) for gate in last.gates] == [
        ("error-rate", "Successful", True),
        ("accuracy", "Successful", True),
    ]
    assert last.gates[0].log_e_good >= last.gates[0].threshold_good


def test_killed_at_any_write_no_decision_is_lost_and_none_is_on_record_twice():
    calm, _ = whole(steps=[{"setWeight": 50}])
    expected = reasons(calm)
    assert calm.fuse.moments > 40
    for moment in range(calm.fuse.moments):
        world, kills = whole(moment, steps=[{"setWeight": 50}])
        assert kills == 1, f"the fuse at {moment} did not go"
        assert is_whole(world), f"killed at {moment}"
        assert reasons(world) == expected, f"killed at {moment}"


def test_what_is_decided_while_the_shelf_is_away_holds_nothing_up_and_is_on_record_later():
    world = Simulation(a_rollout(steps=STEPS, metrics=GATES), audited=True)
    world.shelf.reachable = False
    world.serve_first()
    world.challenge("2")
    world.until(promoted, requests=100)
    assert world.shelf.contents == {}
    assert len(world.status.audit.pending) == world.status.audit.sequence > 4
    world.fresh_controller()
    world.shelf.reachable = True
    world.run(ticks=3)
    assert is_whole(world)
    assert reasons(world)[-1] == "GatesAgreed"


def test_a_record_stays_in_the_status_until_the_registry_knows_of_it_too():
    world = Simulation(audited=True)
    world.serve_first()
    world.run(ticks=3)
    assert is_whole(world)
    world.registry.reachable = False
    world.run(ticks=3)
    assert [opened(text).decided[0].reason for text in world.status.audit.pending] == ["RegistryUnreachable"]
    world.registry.reachable = True
    world.run(ticks=4)
    assert is_whole(world)


def test_a_person_is_on_record_with_what_was_asked_and_so_is_a_refusal():
    world = Simulation(a_rollout(steps=STEPS, metrics=GATES), audited=True)
    world.serve_first()
    world.ask(Verb.PROMOTE)
    world.challenge("2")
    world.until(lambda status: status.canary_weight == 10)
    world.ask(Verb.ABORT)
    world.run(ticks=3)
    asked = [(one.request.by, one.request.verb, one.decided[0].reason) for one in records(world) if one.request is not None]
    assert asked == [("ada", "promote", "RequestRefused"), ("ada", "abort", "AbortedByRequest")]


def test_of_more_than_can_wait_the_number_is_on_record():
    world = Simulation(audited=True)
    world.serve_first()
    world.run(ticks=2)
    kept = world.status.audit.sequence
    world.shelf.reachable = False
    for _ in range(MOST + 3):
        world.ask(Verb.ABORT)
        world.tick()
    assert len(world.status.audit.pending) == MOST
    assert world.status.audit.missed == 3
    world.shelf.reachable = True
    world.run(ticks=2)
    world.ask(Verb.ABORT)
    world.run(ticks=2)
    assert is_whole(world)
    assert [one.missed for one in records(world)] == [0] * (kept + MOST) + [3]


def test_what_lies_on_the_shelf_already_is_never_overwritten():
    world = Simulation(audited=True)
    world.serve_first()
    name, content = next(iter(world.shelf.contents.items()))
    other = content.replace(b"serves", b"served")
    world.shelf.contents[name] = other
    world.fresh_controller()
    world.run(ticks=3)
    assert world.shelf.contents[name] == other


def test_without_a_place_for_them_no_record_is_made():
    world = Simulation()
    world.serve_first()
    assert world.status.audit is None
    assert world.registry.tags == {}


def test_an_object_that_is_made_anew_begins_a_chain_of_its_own():
    world = Simulation(audited=True)
    world.serve_first()
    first = {opened(content).chain for content in world.shelf.contents.values()}
    again = Simulation(audited=True)
    again.shelf.contents = world.shelf.contents
    again.clock.advance(3600)
    again.serve_first()
    again.run(ticks=2)
    assert len({opened(content).chain for content in again.shelf.contents.values()} - first) == 1
