"""A version that was rolled back is not tried again until a person says so, whatever comes in between."""

from dataclasses import replace

import pytest

from kanarya_contracts.names import Verb
from kanarya_rollout.decide.quarantine import MOST
from kanarya_rollout.testing import Quality, Simulation, a_rollout, digest, promoted


def rests(status) -> bool:
    return status.current_step_index is None and status.retiring is None


def refused(version: str, world: Simulation | None = None) -> Simulation:
    """A champion, and a challenger that a gate refused."""
    if world is None:
        world = Simulation()
        world.serve_first()
    world.quality[version] = Quality(errors=0.5)
    world.challenge(version)
    world.until(lambda status: status.candidate is not None and status.candidate.version == version, requests=100)
    world.until(lambda status: status.is_true("RolledBack") and rests(status), requests=100)
    return world


def kept(world: Simulation) -> list[str]:
    return [one.version for one in world.status.quarantine]


def tried(world: Simulation, version: str) -> int:
    return [ref.version for ref in world.serving.started].count(version)


def test_it_is_remembered_after_other_challengers_came_and_went():
    world = refused("2")
    refused("3", world)
    world.challenge("4")
    world.until(lambda status: promoted(status) and rests(status), requests=200)
    assert kept(world) == ["2", "3"]
    world.registry.aliases["challenger"] = "2"
    told = [event for _ in range(30) for event in world.tick(requests=100).events]
    assert tried(world, "2") == 1
    assert [event.reason for event in told] == ["Quarantined"]
    condition = world.status.condition("Progressing")
    assert (condition.status, condition.reason, condition.message) == ("False", "Quarantined", told[0].message)
    assert "version 2 has the alias challenger and is in quarantine since 2026-01-01 00:00 UTC (GateRefused)" in told[0].message
    assert "`kanarya rollout retry iris`" in told[0].message
    assert world.status.quarantine[0].message.startswith("error-rate: 50% of ")


def test_a_retry_releases_the_version_that_is_wanted_and_no_other():
    world = refused("3", refused("2"))
    world.registry.aliases["challenger"] = "2"
    world.run(ticks=5)
    world.quality["2"] = Quality()
    world.ask(Verb.RETRY)
    world.until(promoted, requests=200)
    assert (world.registry.aliases["champion"], kept(world)) == ("2", ["3"])


def test_a_retry_while_the_registry_is_away_is_for_the_last_one():
    world = refused("2")
    world.registry.reachable = False
    world.run(ticks=2)
    world.ask(Verb.RETRY)
    world.tick()
    assert kept(world) == []


def test_the_same_bytes_under_another_number_are_not_tried_either_and_other_bytes_under_the_same_are():
    world = refused("2")
    world.registry.register("3")
    world.registry.versions["3"] = replace(world.registry.versions["3"], digest=digest("2"))
    world.registry.aliases["challenger"] = "3"
    world.run(ticks=5)
    assert tried(world, "3") == 0
    assert "(GateRefused, as version 2, which has the same digest)" in world.status.condition("Progressing").message
    world.registry.versions["3"] = replace(world.registry.versions["3"], digest=digest("3"))
    world.until(promoted, requests=200)


@pytest.mark.parametrize("ends", ["withdrawn", "superseded", "deleted", "champion moved"])
def test_an_end_that_is_not_its_fault_puts_nobody_in(ends: str):
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.until(lambda status: status.canary_weight == 10, requests=100)
    if ends == "withdrawn":
        del world.registry.aliases["challenger"]
    elif ends == "superseded":
        world.challenge("3")
    elif ends == "deleted":
        world.registry.delete("2")
    else:
        world.registry.register("3", alias="champion")
    world.until(lambda status: status.is_true("RolledBack"), requests=10)
    assert kept(world) == []


def test_the_newest_challenger_supersedes_however_many_are_moved_to_at_once():
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.until(lambda status: status.canary_weight == 10, requests=100)
    world.challenge("3")
    world.tick(requests=100)
    world.challenge("4")
    world.until(promoted, requests=200)
    assert (world.registry.aliases["champion"], tried(world, "3"), kept(world)) == ("4", 0, [])


def test_an_undone_version_is_in_quarantine_and_comes_out_when_a_person_makes_it_the_champion():
    world = Simulation(a_rollout(rollbackWindow="10m"))
    world.serve_first()
    world.challenge("2")
    world.until(promoted, requests=200)
    world.ask(Verb.UNDO)
    world.until(lambda status: status.is_true("RolledBack") and rests(status))
    assert [(one.version, one.reason) for one in world.status.quarantine] == [("2", "UndoneByRequest")]
    world.registry.aliases["champion"] = "2"
    world.until(lambda status: status.stable.version == "2" and rests(status))
    assert kept(world) == []


def test_the_list_is_bounded_and_the_oldest_is_forgotten():
    world = Simulation()
    world.serve_first()
    versions = [str(number) for number in range(2, 3 + MOST)]
    for version in versions:
        world.serving.behaviour[version] = "refused"
        world.challenge(version)
        world.until(lambda status, version=version: status.candidate is not None and status.candidate.version == version)
        world.until(lambda status: status.is_true("RolledBack") and rests(status))
    assert kept(world) == versions[-MOST:]


def test_an_idle_rollout_with_a_version_in_quarantine_is_not_written_again_and_again():
    world = refused("3", refused("2"))
    world.registry.aliases["challenger"] = "2"
    world.run(ticks=3)
    written = len(world.store.history)
    world.registry.reachable = False
    world.run(ticks=5)
    world.registry.reachable = True
    told = [event.reason for _ in range(5) for event in world.tick().events]
    assert told == ["AsExpected"]
    assert len(world.store.history) == written + 2  # Degraded, and not any more
