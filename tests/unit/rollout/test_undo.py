"""The former champion stays warm for `rollbackWindow`; `undo` goes back to it, or says why not and what to do instead."""

import json

import pytest

from kanarya_contracts.names import TAG_VERDICT, Verb
from kanarya_rollout.testing import Simulation, a_rollout, promoted


def just_promoted(window: str = "60s", **spec) -> Simulation:
    """Version 2 was promoted over version 1, a moment ago."""
    world = Simulation(a_rollout(rollbackWindow=window, **spec))
    world.serve_first()
    world.challenge("2")
    world.until(promoted, requests=200)
    return world


def refusals(decision) -> list[str]:
    return [event.message for event in decision.events if event.reason == "RequestRefused"]


def test_the_former_champion_stays_warm_without_traffic_and_leaves_when_the_window_is_over():
    world = just_promoted("60s")
    world.run(ticks=58, requests=10)
    assert set(world.serving.processes) == {"1", "2"}
    assert (world.status.warm.version, world.traffic.now) == ("1", {"1": 0, "2": 100})
    world.run(ticks=6, requests=10)
    assert set(world.serving.processes) == {"2"}
    assert (world.status.warm, world.status.warm_since, world.status.retiring) == (None, None, None)
    assert not any(event.type == "Warning" for event in world.tick().events)


def test_within_the_window_nothing_is_written_while_nothing_happens():
    world = just_promoted("10m")
    world.run(ticks=5)
    written = len(world.store.history)
    world.run(ticks=100)
    assert len(world.store.history) == written


def test_without_a_window_the_former_champion_leaves_when_the_gateway_has_let_go_of_it():
    world = just_promoted("0s")
    assert (world.status.warm, world.status.retiring.version) == (None, "1")
    world.run(ticks=4)
    assert set(world.serving.processes) == {"2"}


def test_a_window_that_is_edited_counts_from_the_promotion():
    world = just_promoted("10m")
    world.run(ticks=10)
    world.store.put(a_rollout(rollbackWindow="5s"))
    world.run(ticks=2)
    assert set(world.serving.processes) == {"2"}


def test_an_undo_gives_the_former_champion_everything_at_once_and_then_moves_the_alias():
    world = just_promoted()
    started = len(world.serving.started)
    world.ask(Verb.UNDO)
    world.tick()
    assert world.traffic.asked == {"1": 100, "2": 0}
    assert world.registry.aliases["champion"] == "2"
    assert world.status.condition("Progressing").reason == "Undoing"
    world.until(lambda status: not status.is_true("Progressing") and status.retiring is None)
    assert world.registry.aliases == {"champion": "1", "challenger": "2"}
    assert (world.status.stable.version, set(world.serving.processes)) == ("1", {"1"})
    assert len(world.serving.started) == started  # the warm server is the same one


def test_an_undone_version_is_rolled_back_with_who_asked_and_not_tried_again_until_a_person_says_so():
    world = just_promoted()
    world.ask(Verb.UNDO)
    world.run(ticks=30, requests=100)
    condition = world.status.condition("RolledBack")
    assert (condition.status, condition.reason, condition.message) == ("True", "UndoneByRequest", "asked by ada")
    assert not world.status.is_true("Promoted")
    assert not world.status.is_true("Progressing")
    verdict = json.loads(world.registry.versions["2"].tags[TAG_VERDICT])
    assert (verdict["verdict"], verdict["reason"]) == ("RolledBack", "UndoneByRequest")
    world.ask(Verb.RETRY)
    world.until(promoted, requests=200)
    assert world.registry.aliases["champion"] == "2"


def test_the_alias_waits_until_the_gateway_has_the_former_champion():
    world = just_promoted()
    world.traffic.delay = 5
    world.ask(Verb.UNDO)
    world.tick()
    while world.traffic.now.get("1") != 100:
        assert (world.registry.aliases["champion"], "2" in world.serving.processes) == ("2", True)
        world.tick()
    world.run(ticks=2)
    assert world.registry.aliases["champion"] == "1"


def test_an_undo_does_not_wait_for_a_registry_that_is_away():
    world = just_promoted()
    world.registry.reachable = False
    world.run(ticks=2)
    world.ask(Verb.UNDO)
    world.run(ticks=20, requests=100)
    assert (world.traffic.now["1"], world.status.stable.version) == (100, "1")
    assert world.status.condition("Degraded").reason == "RegistryUnreachable"
    world.registry.reachable = True
    world.until(lambda status: not status.is_true("Progressing"))
    assert world.registry.aliases["champion"] == "1"
    assert "UndoneByRequest" in world.registry.versions["2"].tags[TAG_VERDICT]


def test_an_undo_that_the_gateway_cannot_be_told_of_is_done_when_it_can():
    world = just_promoted()
    world.traffic.reachable = False
    world.ask(Verb.UNDO)
    world.run(ticks=5)
    assert (world.status.stable.version, world.status.condition("Degraded").reason) == ("2", "TrafficUnreachable")
    world.traffic.reachable = True
    world.run(ticks=5)
    assert (world.status.stable.version, world.registry.aliases["champion"]) == ("1", "1")


def test_an_undo_takes_back_a_route_that_someone_else_wrote():
    world = just_promoted()
    world.traffic.foreign = True
    world.ask(Verb.UNDO)
    world.run(ticks=4)
    assert (world.traffic.now["1"], world.registry.aliases["champion"]) == (100, "1")


def test_a_third_version_that_somebody_calls_champion_while_it_is_undone_has_the_last_word():
    world = just_promoted()
    world.registry.register("3")
    world.traffic.delay = 3
    world.ask(Verb.UNDO)
    world.tick()
    world.registry.aliases["champion"] = "3"
    world.until(lambda status: status.stable.version == "3" and status.retiring is None)
    assert (world.registry.aliases["champion"], world.traffic.now["3"]) == ("3", 100)


def test_a_new_challenger_ends_the_window_and_the_former_champion_leaves_before_it_starts():
    world = just_promoted("10m")
    world.run(ticks=5)
    world.challenge("3")
    events = world.tick().events
    assert [(event.reason, event.message) for event in events] == [
        ("RollbackWindowOver", "version 1 is not kept warm any longer: version 3 has the alias challenger")
    ]
    assert (world.status.retiring, set(world.serving.processes)) == (None, {"2"})  # the gateway let go of it long ago
    world.tick()
    assert world.status.candidate.version == "3"


def test_the_former_champion_as_the_next_challenger_has_a_rollout_like_any_other():
    world = just_promoted("10m")
    world.registry.aliases["challenger"] = "1"
    world.until(lambda status: status.candidate.version == "1" and status.canary_weight == 10, requests=50)
    world.until(promoted, requests=200)
    assert world.status.warm.version == "2"


def test_the_alias_moved_back_by_hand_within_the_window_finds_a_warm_server():
    world = just_promoted()
    started = len(world.serving.started)
    world.registry.aliases["champion"] = "1"
    world.run(ticks=2)
    assert (world.status.stable.version, world.traffic.now["1"]) == ("1", 100)
    world.until(lambda status: status.retiring is None)
    assert (set(world.serving.processes), len(world.serving.started)) == ({"1"}, started)


def test_the_alias_moved_to_a_third_version_within_the_window_ends_it():
    world = just_promoted("10m")
    world.registry.register("3", alias="champion")
    world.until(lambda status: status.stable.version == "3" and status.retiring is None)
    assert (world.status.warm, set(world.serving.processes)) == (None, {"3"})


def test_a_champion_whose_server_dies_in_the_window_is_not_undone_but_the_way_back_is_named():
    world = just_promoted("10m")
    world.serving.behaviour["2"] = "failed"
    world.serving.crash("2")
    world.run(ticks=10)
    condition = world.status.condition("Degraded")
    assert condition.reason == "ChampionNotReady"
    assert condition.message.endswith("version 1 is warm, and `kanarya rollout undo iris` goes back to it")
    assert world.status.stable.version == "2"
    world.ask(Verb.UNDO)
    world.run(ticks=3)
    assert (world.status.stable.version, world.traffic.now["1"]) == ("1", 100)


def test_a_warm_server_that_ends_is_started_again():
    world = just_promoted("10m")
    world.serving.crash("1")
    world.run(ticks=3)
    assert "1" in world.serving.processes


REFUSALS = [
    (lambda world: world.clock.advance(100), 2, "no former champion is warm (rollbackWindow is 1m, "),
    (lambda world: world.serving.behaviour.update({"1": "starting"}), 2, "version 1 is Starting; point the alias champion "),
    (lambda world: setattr(world.serving, "reachable", False), 2, "nobody knows whether version 1 is ready"),
    (lambda world: world.registry.delete("1"), 0, "version 1 was deleted in the registry"),
    (lambda world: world.registry.register("3", alias="champion"), 0, "the alias champion was moved to version 3"),
    (lambda world: world.challenge("3"), 2, "version 3 is on its way; `abort` takes it back"),
    (lambda world: world.ask(Verb.UNDO), 2, "version 2 is being undone already"),
]


@pytest.mark.parametrize(("happens", "passes", "why"), REFUSALS)
def test_an_undo_that_cannot_be_is_answered_with_why_and_what_to_do_instead(happens, passes: int, why: str):
    world = just_promoted()
    world.run(ticks=4)
    world.traffic.delay = 9
    happens(world)
    world.run(ticks=passes)
    split = {version: share for version, share in world.traffic.asked.items() if share}
    champion = world.registry.aliases["champion"]
    world.ask(Verb.UNDO)
    assert why in refusals(world.tick())[0]
    assert {version: share for version, share in world.traffic.asked.items() if share} == split
    assert world.registry.aliases["champion"] == champion


def test_a_warm_version_that_is_deleted_in_the_registry_leaves():
    world = just_promoted("10m")
    world.run(ticks=3)
    world.registry.delete("1")
    world.run(ticks=4)
    assert (world.status.warm, set(world.serving.processes)) == (None, {"2"})


def test_a_clock_that_is_set_back_does_not_keep_the_window_open():
    world = just_promoted("60s")
    world.clock.advance(-86400)
    world.run(ticks=66)
    assert set(world.serving.processes) == {"2"}
