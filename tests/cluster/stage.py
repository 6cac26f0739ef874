"""A namespace with a rollout, and the real controller over it: KServe, kubelet and gateway are stood in for (`stand_in.py`),
registry and counters are in memory. Used by `test_apiserver_rollout.py`, `…_warm.py` and `…_process.py`.
"""

import logging

import httpx

from kanarya_contracts.names import ALIAS_STABLE
from kanarya_rollout.controller import Controller
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.events import KubernetesEvents
from kanarya_rollout.ports.example import Examples
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.installation import KServe
from kanarya_rollout.ports.kserve import KServeServing
from kanarya_rollout.ports.kubernetes import KubernetesStore
from kanarya_rollout.testing import FakeClock, FakeMetrics, FakeRegistry, FakeServing, Fuse, Process, a_rollout, digest

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
