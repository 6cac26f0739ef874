"""The champion's alias, moved by hand: the registry is the source of intent."""

from kanarya_rollout.testing import Quality, Simulation, a_rollout, promoted


def settled(world: Simulation, stable: str) -> None:
    world.until(
        lambda status: status.stable is not None and status.stable.version == stable and status.retiring is None, requests=50
    )


def two_versions() -> Simulation:
    """Version 2 was promoted over version 1."""
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.until(lambda status: promoted(status) and status.retiring is None, requests=200)
    return world


def halfway() -> Simulation:
    """Version 2 at 10 %, version 3 registered."""
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.registry.register("3")
    world.until(lambda status: status.canary_weight == 10, requests=100)
    world.tick(requests=100)
    return world


def test_rolling_back_the_registry_rolls_back_traffic():
    world = two_versions()
    world.registry.aliases["champion"] = "1"
    world.tick()
    assert world.status.condition("Progressing").reason == "DeployingChampion"
    assert world.traffic.now["2"] == 100
    settled(world, "1")
    assert world.traffic.now["1"] == 100
    assert set(world.serving.processes) == {"1"}


def test_the_version_that_was_rolled_back_by_hand_does_not_come_back_by_its_old_alias():
    world = two_versions()
    world.registry.aliases["champion"] = "1"
    settled(world, "1")
    world.run(ticks=20, requests=100)
    assert world.registry.aliases["challenger"] == "2"
    assert not world.status.is_true("Progressing")


def test_the_new_champion_serves_before_the_old_one_stops():
    world = two_versions()
    world.registry.aliases["champion"] = "1"
    world.traffic.delay = 5
    while world.status.retiring is None:
        world.tick(requests=50)
        assert "2" in world.serving.processes
    assert world.status.stable.version == "1"
    assert world.traffic.now["2"] == 100
    while world.traffic.now.get("1") != 100:
        assert "2" in world.serving.processes
        world.tick(requests=50)


def test_a_new_champion_whose_artifact_is_refused_leaves_the_old_one_serving():
    world = two_versions()
    world.serving.behaviour["1"] = "refused"
    world.registry.aliases["champion"] = "1"
    world.run(ticks=10, requests=50)
    condition = world.status.condition("Degraded")
    assert (condition.status, condition.reason) == ("True", "ChampionRefused")
    assert "version 2 goes on serving" in condition.message
    assert (world.status.stable.version, world.traffic.now["2"]) == ("2", 100)


def test_a_champion_alias_that_is_missing_holds_everything():
    world = halfway()
    del world.registry.aliases["champion"]
    world.run(ticks=30, requests=100)
    assert world.status.condition("Degraded").reason == "ChampionMissing"
    assert (world.status.canary_weight, world.traffic.now) == (10, {"1": 90, "2": 10})
    world.registry.aliases["champion"] = "1"
    world.until(promoted, requests=200)


def test_even_then_a_gate_that_refuses_rolls_back():
    world = halfway()
    del world.registry.aliases["champion"]
    world.quality["2"] = Quality(errors=0.5)
    world.until(lambda status: status.is_true("RolledBack"), requests=100)
    assert world.traffic.asked == {"1": 100, "2": 0}


def test_a_champion_moved_to_the_candidate_promotes_it():
    world = halfway()
    world.registry.aliases["champion"] = "2"
    world.until(promoted, requests=10)
    assert world.status.condition("Promoted").reason == "PromotedInRegistry"
    settled(world, "2")
    assert world.traffic.now["2"] == 100


def test_a_candidate_promoted_by_hand_while_it_starts_is_verified_first():
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.tick()
    world.registry.aliases["champion"] = "2"
    world.serving.behaviour["2"] = "starting"
    world.run(ticks=5)
    assert world.status.canary_weight == 0
    world.serving.behaviour["2"] = "ready"
    world.until(promoted)
    assert world.status.condition("Promoted").reason == "PromotedInRegistry"


def test_a_candidate_promoted_by_hand_that_is_refused_leaves_the_old_champion_serving():
    world = Simulation()
    world.serve_first()
    world.challenge("2")
    world.tick()
    world.registry.aliases["champion"] = "2"
    world.serving.behaviour["2"] = "refused"
    world.run(ticks=5, requests=10)
    assert world.status.condition("Degraded").reason == "ChampionRefused"
    assert world.traffic.now == {"1": 100}


def test_a_champion_moved_elsewhere_aborts_and_is_adopted():
    world = halfway()
    world.registry.aliases["champion"] = "3"
    world.until(lambda status: status.is_true("RolledBack"), requests=10)
    assert world.status.condition("RolledBack").reason == "ChampionMoved"
    assert "from version 1 to 3" in world.status.condition("RolledBack").message
    settled(world, "3")
    world.run(ticks=10, requests=100)
    assert world.traffic.now["3"] == 100
    assert not world.status.is_true("Progressing")  # the comparison is not begun again by itself


def test_a_champion_moved_in_the_very_moment_of_promotion_is_not_overwritten():
    world = Simulation(a_rollout(registry={"model": "iris", "pollInterval": "1h"}))
    world.serve_first()
    world.challenge("2")
    world.registry.register("3")
    world.fresh_controller()
    world.until(lambda status: status.canary_weight == 100, requests=200)
    world.registry.aliases["champion"] = "3"  # within the poll interval: the controller does not know
    world.run(ticks=3, requests=10)
    assert world.registry.aliases["champion"] == "3"
    world.fresh_controller()
    settled(world, "3")


def test_the_first_champion_is_promoted_once_the_gateway_sends_it_the_requests():
    world = Simulation()
    world.traffic.delay = 3
    world.serve_first()
    while world.traffic.now.get("1") != 100:
        assert not world.status.is_true("Promoted")
        world.tick()
    world.run(ticks=2)
    assert world.status.condition("Promoted").reason == "PromotedInRegistry"


def test_a_champion_moved_by_hand_does_not_say_that_a_candidate_was_promoted_that_was_rolled_back():
    world = Simulation()
    world.serve_first()
    world.quality["2"] = Quality(errors=1.0)
    world.challenge("2")
    world.until(lambda status: status.is_true("RolledBack") and status.retiring is None, requests=200)
    world.registry.register("3")
    world.registry.aliases["champion"] = "3"
    settled(world, "3")
    assert world.status.is_true("RolledBack")
    assert not world.status.is_true("Promoted")
