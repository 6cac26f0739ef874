"""In mid-rollout everything around it goes away, one by one: no wrong verdict, no lost request, and it goes on afterwards."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from e2e_kube import eventually
from e2e_traffic import by_version

from kanarya_contracts.names import ConditionType, Reason

AWAY_SECONDS = 120
"""Of Prometheus: longer than any patience in the code."""

STEPS = [{"setWeight": 10}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}, {"setWeight": 50}]
"""Those of the manifest, with a wait for a person after each, so that the rollout is still under way when it is to be."""


@pytest.fixture
def paused_steps(kube: Any, calm: str) -> Iterator[None]:
    """The rollout waits for a person after each weight."""
    before = kube.get("modelrollout", "iris")["spec"]["strategy"]
    patch_strategy(kube, {"canary": {"steps": STEPS}})
    yield
    patch_strategy(kube, before)


def test_a_rollout_outlives_everything_around_it(
    kube: Any, traffic: Any, seen: Any, registry: Any, report: Any, calm: str, paused_steps: None
) -> None:
    took: dict[str, float] = {}
    version = registry.challenge()
    at_pause(kube, 1)

    # The controller, both of it, without a word of goodbye.
    began = time.monotonic()
    kube.run("delete", "pods", "-l", "app.kubernetes.io/name=kanarya-rollout", "--grace-period=0", "--force")
    kube.ask("iris", "promote")
    at_pause(kube, 3)
    took["controllers killed, until a new one has moved the weight"] = round(time.monotonic() - began, 1)

    # MLflow.
    kube.scale("deployment/platform-mlflow", 0)
    eventually(lambda: degraded(kube, Reason.REGISTRY_UNREACHABLE), "the registry's absence is told", seconds=30)
    time.sleep(5)
    assert kube.rollout().status.canary_weight == 25
    began = time.monotonic()
    kube.scale("deployment/platform-mlflow", 1)
    eventually(lambda: not kube.rollout().status.is_true(ConditionType.DEGRADED), "the registry is back", seconds=120)
    took["MLflow back, until nothing is degraded"] = round(time.monotonic() - began, 1)

    # The gateway's control plane, while it is told a new weight; and the store, which nobody needs once a server runs.
    kube.scale("deployment/envoy-gateway", 0, namespace="envoy-gateway-system")
    kube.scale("statefulset/platform-minio", 0)
    kube.ask("iris", "promote")
    eventually(lambda: kube.rollout().status.canary_weight == 50, "the status asks for 50 %")
    told = time.time()
    time.sleep(10)
    unmoved = traffic.answers(since=told, until=told + 8)
    began = time.monotonic()
    kube.scale("deployment/envoy-gateway", 1, namespace="envoy-gateway-system")
    kube.scale("statefulset/platform-minio", 1)
    eventually(lambda: share(traffic, version, seconds=3) > 0.4, "half of the requests reach it", seconds=120)
    took["gateway's control plane back, until the weight is in force"] = round(time.monotonic() - began, 1)

    # Prometheus, for two minutes.
    prometheus(kube, replicas=0)
    eventually(lambda: degraded(kube, Reason.METRICS_UNREACHABLE), "the counters' absence is told", seconds=60)
    before = kube.rollout().status
    time.sleep(AWAY_SECONDS)
    blind = kube.rollout().status
    began = time.monotonic()
    prometheus(kube, replicas=1)
    eventually(lambda: kube.rollout().status.stable.version == version, "it is promoted by its gates", seconds=240)
    took["Prometheus back, until the promotion"] = round(time.monotonic() - began, 1)

    traffic.stop()
    report.add(outages={"requests": len(traffic.answers()), "lost": len(traffic.lost()), "seconds": took})
    assert traffic.lost() == []
    assert seen.reasons(ConditionType.ROLLED_BACK, version) == []
    assert kube.rollout().status.condition(ConditionType.PROMOTED).reason == Reason.GATES_AGREED
    assert 0.15 < by_version(unmoved)[version] / len(unmoved) < 0.35, "the data plane went on as it was told last"
    assert (blind.canary_weight, blind.current_step_index) == (before.canary_weight, before.current_step_index)
    assert [one.candidate.n for one in blind.evidence] == [one.candidate.n for one in before.evidence]


def at_pause(kube: Any, index: int) -> None:
    """Wait until the rollout waits for a person at that step."""
    eventually(lambda: kube.rollout().status.current_step_index == index, f"step {index}", seconds=180)


def degraded(kube: Any, reason: Reason) -> bool:
    """Whether the rollout says that it lacks this."""
    condition = kube.rollout().status.condition(ConditionType.DEGRADED)
    return condition is not None and condition.status == "True" and condition.reason == reason


def share(traffic: Any, version: str, *, seconds: float) -> float:
    """Of the requests of the last seconds, those that the version answered."""
    answers = traffic.answers(since=time.time() - seconds)
    return by_version(answers).get(version, 0) / max(1, len(answers))


def prometheus(kube: Any, *, replicas: int) -> None:
    """Take it away, or bring it back; the operator does the rest. (`kubectl scale` would set its shards.)"""
    patch = json.dumps({"spec": {"replicas": replicas}})
    kube.run("patch", "prometheus/monitoring", "--type=merge", "-p", patch, namespace="monitoring")


def patch_strategy(kube: Any, strategy: dict[str, Any]) -> None:
    """Replace `spec.strategy`."""
    patch = [{"op": "replace", "path": "/spec/strategy", "value": strategy}]
    kube.run("patch", "modelrollout/iris", "--type=json", "-p", json.dumps(patch))
