"""A former champion that stays warm, in a real API server: back to it by request or by itself, and let go without a restart."""

import pytest

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.rollout import Request


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices")
    return api_server


def test_a_former_champion_stays_warm_and_an_undo_goes_back_to_it_without_restarting_a_pod(server, stand_in, stage):
    world = stage.World(server, stand_in, rollbackWindow="10m")
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.canary_weight == 50, requests=600)
    pods = dict(world.cluster.pods)
    world.until(lambda status: status.warm is not None, requests=600)
    for _ in range(5):
        world.tick()
    assert (world.cluster.pods, world.weights) == (pods, {"7": 0, "8": 100})
    spec = server.get(world.cluster.service)["spec"]
    assert [spec["predictor"]["name"], *(one["predictor"]["name"] for one in spec["canary"])] == ["v8", "v7"]
    assert stand_in.replicas(server.get(world.cluster.service)) == {"iris-v8-predictor": 2, "iris-v7-predictor": 2}
    world.store.request(world.name, Request(id="1", verb=Verb.UNDO, by="ada"))
    world.tick()
    assert world.weights == {"7": 100, "8": 0}
    world.until(lambda status: not status.is_true(ConditionType.PROGRESSING) and status.retiring is None)
    world.cluster.turn()
    assert world.cluster.pods == {"iris-v7-predictor": pods["iris-v7-predictor"]}
    assert world.registry.aliases[ALIAS_STABLE] == "7"
    assert world.status.condition(ConditionType.ROLLED_BACK).reason == "UndoneByRequest"


def test_a_champion_that_degrades_gives_way_to_the_warm_one_and_the_api_server_keeps_why(server, stand_in, stage):
    world = stage.World(server, stand_in, rollbackWindow="10m")
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.warm is not None, requests=1000)
    pods = dict(world.cluster.pods)
    world.errors["8"] = 60
    world.until(lambda status: status.is_true(ConditionType.ROLLED_BACK) and status.retiring is None, requests=300)
    world.cluster.turn()
    assert (world.weights, world.registry.aliases[ALIAS_STABLE]) == ({"7": 100}, "7")
    assert world.cluster.pods == {"iris-v7-predictor": pods["iris-v7-predictor"]}
    kept = server.get(world.path)["status"]
    assert [(one["version"], one["reason"]) for one in kept["quarantine"]] == [("8", "Regressed")]
    assert kept["sincePromotion"][0]["verdict"] == "Failed"


def test_the_end_of_the_window_restarts_no_pod_of_the_promoted_version(server, stand_in, stage):
    world = stage.World(server, stand_in, rollbackWindow="20s")
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.warm is not None, requests=600)
    pods = dict(world.cluster.pods)
    world.until(lambda status: status.warm is None and status.retiring is None)
    world.cluster.turn()
    assert world.cluster.pods == {"iris-v8-predictor": pods["iris-v8-predictor"]}
