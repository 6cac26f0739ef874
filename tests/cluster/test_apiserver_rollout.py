"""Whole rollouts by the real controller in a real API server: forward, refused, held, and by somebody else's hand."""

import json
import threading

import pytest

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.rollout import Request
from kanarya_rollout.testing import promoted


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices")
    return api_server


@pytest.fixture
def world(server, stand_in, stage):
    return stage.World(server, stand_in)


def test_a_good_candidate_takes_the_traffic_step_by_step_and_keeps_its_pods(world):
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.canary_weight == 10)
    pods = dict(world.cluster.pods)
    world.until(lambda status: promoted(status) and status.retiring is None, requests=600)
    world.tick()
    world.cluster.turn()
    assert world.history == [
        {"7": 100},
        {"7": 90, "8": 10},
        {"7": 50, "8": 50},
        {"7": 0, "8": 100},
        {"8": 100},
    ]
    assert world.registry.aliases[ALIAS_STABLE] == "8"
    assert world.cluster.pods == {"iris-v8-predictor": pods["iris-v8-predictor"]}
    reasons = {one["reason"] for one in world.server.get(f"/api/v1/namespaces/{world.space}/events")["items"]}
    assert {"Verifying", "ShiftingTraffic", "Promoting"} <= reasons


def test_of_two_rollouts_over_one_target_the_younger_writes_nothing_but_that(server, stand_in, stage):
    world = stage.World(server, stand_in)
    document, _ = stage.manifests()
    path = world.path.removesuffix("iris") + "second"
    server.apply(path, document | {"metadata": {"name": "second"}}, manager="kubectl")
    world.registry.register("7", alias=ALIAS_STABLE)
    stop = threading.Event()

    turns = iter(range(12))

    def wait(_):
        world.cluster.turn()
        world.clock.advance(1.0)
        if next(turns, None) is None:
            stop.set()

    stop.wait = wait
    world.controller.run(stop, tick=1)
    assert world.weights == {"7": 100}
    [degraded] = [one for one in server.get(path)["status"]["conditions"] if one["type"] == "Degraded"]
    assert degraded["reason"] == "TargetTaken"
    assert f"InferenceService {world.space}/iris is that of rollout {world.space}/iris already" in degraded["message"]
    assert "stable" not in server.get(path)["status"]


def test_a_kserve_that_cannot_do_it_is_named_in_the_condition(server, stand_in, stage):
    world = stage.World(server, stand_in)
    image = {"image": "docker.io/kserve/storage-initializer:v0.19.1"}
    config = {"storageInitializer": json.dumps(image), "deploy": json.dumps({"defaultDeploymentMode": "Serverless"})}
    server.apply(
        f"/api/v1/namespaces/{world.space}/configmaps/inferenceservice-config",
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "inferenceservice-config"}, "data": config},
    )
    world.registry.register("7", alias=ALIAS_STABLE)
    world.tick()
    degraded = world.status.condition(ConditionType.DEGRADED)
    assert (degraded.status, degraded.reason) == ("True", "TargetUnsupported")
    assert "KServe 0.19 has no spec.canary" in degraded.message
    assert "its deployment mode is Serverless, KServe's default here" in degraded.message
    assert world.status.stable is None


def test_a_candidate_that_fails_gets_nothing_in_the_pass_that_refuses_it(world):
    world.serve("7")
    world.errors["8"] = 30
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.is_true(ConditionType.ROLLED_BACK), requests=600)
    assert world.weights.get("8", 0) == 0
    assert world.registry.aliases[ALIAS_STABLE] == "7"
    world.until(lambda status: status.retiring is None)
    world.tick()
    world.cluster.turn()
    assert set(world.cluster.pods) == {"iris-v7-predictor"}


def test_a_fresh_controller_goes_on_from_what_stands_in_the_api_server(world):
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)

    def over(status):
        world.fresh()
        return promoted(status) and status.retiring is None

    world.until(over, requests=600)
    assert world.weights == {"8": 100}


def test_a_hand_edit_of_the_route_pauses_and_a_person_gives_it_back(world):
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.canary_weight == 10)
    world.tick()
    rules = world.server.get(world.cluster.route)["spec"]["rules"]
    rules[0]["backendRefs"][0]["weight"], rules[0]["backendRefs"][1]["weight"] = 60, 40
    world.server.merge(world.cluster.route, {"spec": {"rules": rules}}, manager="kubectl-edit")
    world.tick()
    assert world.status.condition(ConditionType.PAUSED).reason == "WeightNotInForce"
    world.tick()
    assert world.weights == {"7": 60, "8": 40}
    world.store.request(world.name, Request(id="1", verb=Verb.RESUME, by="ada"))
    world.tick()
    world.tick()
    assert world.weights == {"7": 90, "8": 10}
    assert not world.status.is_true(ConditionType.PAUSED)


def test_a_candidate_whose_server_refuses_its_artifact_never_gets_a_request(world):
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.candidate is not None)
    world.cluster.turn()
    ended = {"exitCode": 2, "message": "kanarya-model: /mnt/models: kanarya.json: has digest sha256:1, expected sha256:2"}
    container = {"name": "kserve-container", "image": "", "imageID": "", "restartCount": 1, "ready": False}
    container["state"] = {"terminated": ended}
    world.cluster.pod_status("iris-v8-predictor", {"conditions": [], "containerStatuses": [container]})
    world.tick()
    back = world.status.condition(ConditionType.ROLLED_BACK)
    assert (back.status, back.reason) == ("True", "ArtifactRefused")
    assert "expected sha256:2" in back.message
    assert all("8" not in weights or weights["8"] == 0 for weights in world.history)


def test_a_champion_without_pods_holds_everything_and_says_so(world):
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.canary_weight == 10)
    world.cluster.pod_status("iris-v7-predictor", {"conditions": [{"type": "Ready", "status": "False"}]})
    for _ in range(5):
        world.clock.advance(1.0)
        world.controller.reconcile(world.name)
    degraded = world.status.condition(ConditionType.DEGRADED)
    assert (degraded.status, degraded.reason) == ("True", "ChampionNotReady")
    assert "version 8, which then gets every request" in degraded.message
    assert world.status.canary_weight == 10
    seen = world.status.evidence
    for _ in range(5):
        world._send("8", 500)
        world.clock.advance(1.0)
        world.controller.reconcile(world.name)
    assert world.status.evidence == seen
