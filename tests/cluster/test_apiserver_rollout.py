"""Whole rollouts by the real controller in a real API server; KServe, kubelet and gateway are stood in for, registry and
counters are in memory. And the controller's own process: election, health, what it writes when the world is away."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from kanarya_contracts.names import ALIAS_CANDIDATE, ALIAS_STABLE, ConditionType, Verb
from kanarya_contracts.rollout import Request
from kanarya_rollout.controller import Controller
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.events import KubernetesEvents
from kanarya_rollout.ports.example import Examples
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.installation import KServe
from kanarya_rollout.ports.kserve import KServeServing
from kanarya_rollout.ports.kubernetes import KubernetesStore
from kanarya_rollout.testing import (
    FakeClock,
    FakeMetrics,
    FakeRegistry,
    FakeServing,
    Fuse,
    Process,
    a_rollout,
    digest,
    promoted,
)

GATEWAY = {"name": "public", "namespace": "gateways"}


def manifests(**spec):
    rollout = a_rollout(traffic={"gatewayRef": GATEWAY, "hostnames": ["iris.example.com"]}, **spec)
    document = rollout.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})
    document["metadata"] = {"name": "iris"}
    service = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "iris", "labels": {"networking.kserve.io/visibility": "cluster-local"}},
        "spec": {"predictor": {"minReplicas": 2, "model": {"modelFormat": {"name": "kanarya"}}}},
    }
    return document, service


class World:
    """A namespace with both manifests; requests follow the HTTPRoute."""

    def __init__(self, server, stand_in, **spec):
        self.server, self.space = server, server.namespace()
        self.cluster = stand_in.StandIn(server, self.space)
        self.name = f"{self.space}/iris"
        rollout, service = manifests(**spec)
        self.path = f"/apis/kanarya.dev/v1alpha1/namespaces/{self.space}/modelrollouts/iris"
        server.apply(self.cluster.service, service, manager="kubectl")
        server.apply(self.path, rollout, manager="kubectl")
        self.api = KubernetesApi.connected(str(server.kubeconfig))
        self.store = KubernetesStore(self.api, [self.space])
        self.clock, fuse = FakeClock(), Fuse()
        self.registry = FakeRegistry(fuse)
        self.counters = FakeServing(fuse, self.clock)
        self.metrics = FakeMetrics(self.counters)
        self.errors = {}
        self.history = []
        self.controller = self.fresh()

    def fresh(self):
        examples = Examples("http://mlflow.test", transport=httpx.MockTransport(self._answer))
        self.controller = Controller(
            store=self.store,
            registry=self.registry,
            serving_for=lambda one: KServeServing(
                self.api, one, examples=examples, kserve=KServe(self.api, namespace=self.space), artifacts_root=None
            ),
            traffic_for=lambda one: GatewayTraffic(self.api, one),
            metrics_for=lambda _: self.metrics,
            clock=self.clock,
            log=logging.getLogger("tests"),
            listeners=[KubernetesEvents(self.api, instance="tests")],
        )
        return self.controller

    @property
    def status(self):
        return self.store.get(self.name)[0].status

    @property
    def weights(self):
        route = self.server.get(self.cluster.route)
        refs = route["spec"]["rules"][0]["backendRefs"] if route else ()
        return {one["name"].removeprefix("iris-v").removesuffix("-predictor"): one["weight"] for one in refs}

    def tick(self, requests=0):
        self.cluster.turn()
        for version, weight in self.weights.items():
            self._send(version, requests * weight // 100)
        self.clock.advance(1.0)
        self.controller.reconcile(self.name)
        if self.weights and self.history[-1:] != [self.weights]:
            self.history.append(self.weights)

    def until(self, holds, *, requests=0, ticks=60):
        for _ in range(ticks):
            if holds(self.status):
                return
            self.tick(requests)
        raise AssertionError(f"not after {ticks} ticks: {self.status.model_dump_json(exclude={'ledger'})}")

    def serve(self, version):
        self.registry.register(version, alias=ALIAS_STABLE)
        self.until(lambda status: status.stable is not None)
        self.tick()

    def _send(self, version, count):
        processes = self.counters.processes
        if version not in processes:
            processes[version] = Process(source=f"pod-{version}", version=version, started=self.clock.now())
        bad = count * self.errors.get(version, 0) // 100
        processes[version].add("requests", count)
        processes[version].add("errors", bad)
        processes[version].add("faster", count - bad)

    def _answer(self, request):
        version = request.url.host.split("-v")[1].split("-")[0]
        return httpx.Response(200, json={"properties": {"digest": digest(version)}})


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices")
    return api_server


@pytest.fixture
def world(server, stand_in):
    return World(server, stand_in)


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


def test_a_former_champion_stays_warm_and_an_undo_goes_back_to_it_without_restarting_a_pod(server, stand_in):
    world = World(server, stand_in, rollbackWindow="10m")
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


def test_a_champion_that_degrades_gives_way_to_the_warm_one_and_the_api_server_keeps_why(server, stand_in):
    world = World(server, stand_in, rollbackWindow="10m")
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


def test_of_two_rollouts_over_one_target_the_younger_writes_nothing_but_that(server, stand_in):
    world = World(server, stand_in)
    document, _ = manifests()
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


def test_the_end_of_the_window_restarts_no_pod_of_the_promoted_version(server, stand_in):
    world = World(server, stand_in, rollbackWindow="20s")
    world.serve("7")
    world.registry.register("8", alias=ALIAS_CANDIDATE)
    world.until(lambda status: status.warm is not None, requests=600)
    pods = dict(world.cluster.pods)
    world.until(lambda status: status.warm is None and status.retiring is None)
    world.cluster.turn()
    assert world.cluster.pods == {"iris-v8-predictor": pods["iris-v8-predictor"]}


def test_a_kserve_that_cannot_do_it_is_named_in_the_condition(server, stand_in):
    world = World(server, stand_in)
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


# --- the process -----------------------------------------------------------------------------------------------------------


class Instance:
    """`kanarya-rollout run`, as a pod would run it, with no registry and no Prometheus there."""

    def __init__(self, server, space, identity, log):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("KANARYA_", "MLFLOW_"))},
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "KANARYA_ROLLOUT_PROMETHEUS": "http://127.0.0.1:9",
            "KANARYA_ROLLOUT_KUBECONFIG": str(server.kubeconfig),
            "KANARYA_ROLLOUT_NAMESPACES": space,
            "KANARYA_ROLLOUT_LEASE": "rollout",
            "KANARYA_ROLLOUT_HOST": "127.0.0.1",
            "KANARYA_ROLLOUT_PORT": str(self.port),
            "POD_NAMESPACE": space,
            "POD_NAME": identity,
        }
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen([sys.executable, "-m", "kanarya_rollout", "run"], env=environment, stderr=file)

    def page(self, path):
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False)
        except httpx.HTTPError:
            return httpx.Response(503, text="")

    def await_(self, holds):
        deadline = time.monotonic() + 30
        while not holds():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    @property
    def leads(self):
        return "kanarya_rollout_leader 1.0" in self.page("/metrics").text

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


def test_two_processes_elect_one_that_says_what_is_away_and_the_other_takes_over(server, tmp_path):
    space = server.namespace()
    rollout, service = manifests()
    server.apply(f"/apis/serving.kserve.io/v1beta1/namespaces/{space}/inferenceservices/iris", service)
    path = f"/apis/kanarya.dev/v1alpha1/namespaces/{space}/modelrollouts/iris"
    server.apply(path, rollout)
    first = Instance(server, space, "first", tmp_path / "first.log")
    second = None
    try:
        first.await_(lambda: first.leads)
        second = Instance(server, space, "second", tmp_path / "second.log")
        second.await_(lambda: second.page("/readyz").is_success)
        assert (first.leads, second.leads) == (True, False)
        assert (first.page("/healthz").text, second.page("/healthz").text) == ("ok\n", "ok\n")
        first.await_(lambda: bool(server.get(path).get("status", {}).get("conditions")))
        conditions = {one["type"]: one for one in server.get(path)["status"]["conditions"]}
        assert conditions["Degraded"]["reason"] == "RegistryUnreachable"
        first.await_(lambda: "kanarya_rollout_condition{" in first.page("/metrics").text)
        assert first.stop() == 0
        second.await_(lambda: second.leads)
        lines = [json.loads(line) for line in first.log.read_text().splitlines()]
        assert any(line.get("conditions", {}).get("Degraded") == "RegistryUnreachable" for line in lines)
        assert second.stop() == 0
    finally:
        for one in (first, second):
            if one is not None and one.process.poll() is None:
                one.process.kill()
                one.process.wait()
