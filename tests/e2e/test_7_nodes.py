"""Pods and nodes go away in mid-rollout. What is planned loses no request; what is not is over within a stated time; a champion
without pods never hands everything to the challenger without a word."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_kube import eventually, names, ready
from e2e_traffic import Traffic
from e2e_versions import Versions

from kanarya_contracts.names import ConditionType, Reason

OVER_SECONDS = 15.0
"""After a pod is killed without a word, until the last request that is lost: the gateway hears of it from the API server."""

GATEWAY = {
    "spec": {
        "provider": {
            "kubernetes": {
                "envoyDeployment": {
                    "replicas": 2,
                    "pod": {
                        "topologySpreadConstraints": [
                            {
                                "maxSkew": 1,
                                "topologyKey": "kubernetes.io/hostname",
                                "whenUnsatisfiable": "ScheduleAnyway",
                                "labelSelector": {"matchLabels": {"app.kubernetes.io/component": "proxy"}},
                            }
                        ]
                    },
                },
                "envoyPDB": {"maxUnavailable": 1},
            }
        }
    }
}
"""A gateway that may lose a node has a second pod elsewhere, and so has its control plane: if that goes with a model's pod, the
gateway hears of the pod's end only from the next one, and by then the pod may have drained. kind's have one each."""


@pytest.fixture
def clients(petals: str, tmp_path: Path) -> Iterator[Any]:
    with Traffic(tmp_path, model=petals, host="petals.example.com") as running:
        yield running


@pytest.fixture
def midway(kube: Any, petals: str, clients: Any) -> Iterator[str]:
    """A version of petals that has 20 % and waits for a person; taken back afterwards. Its number."""
    with kube.reach("platform-mlflow", 5000) as address:
        version = Versions(address, petals).challenge()
    eventually(
        lambda: kube.rollout(petals).status.current_step_index == 1, f"version {version} has its first weight", seconds=180
    )
    kube.available(f"deployment/petals-v{version}-predictor")
    yield version
    if kube.rollout(petals).status.current_step_index is not None:
        kube.ask(petals, "abort")
    eventually(lambda: kube.rollout(petals).status.current_step_index is None, "it is taken back")


@pytest.fixture
def two_gateways(kube: Any) -> None:
    """One gateway pod on each node, and two of its control plane."""
    kube.scale("deployment/envoy-gateway", 2, namespace="envoy-gateway-system")
    kube.run("patch", "envoyproxy/kind", "--type=merge", "-p", json.dumps(GATEWAY), namespace="kserve")
    eventually(lambda: len(gateways(kube)) == 2 and all(map(ready, gateways(kube))), "two gateway pods are ready", seconds=120)
    kube.available("deployment/envoy-gateway", namespace="envoy-gateway-system")


def test_a_champion_without_pods_is_told_and_nothing_moves_on(kube: Any, petals: str, midway: str, report: Any) -> None:
    before = kube.rollout(petals).status
    began = time.monotonic()
    kube.run("delete", "pods", "-l", "app=isvc.petals-v1-predictor", "--grace-period=0", "--force")

    told = eventually(
        lambda: degraded(kube, petals, Reason.CHAMPION_NOT_READY), "the champion's absence is told", seconds=30, every=0.05
    )
    told_after = time.monotonic() - began
    eventually(lambda: not kube.rollout(petals).status.is_true(ConditionType.DEGRADED), "the champion is back", seconds=120)

    after = kube.rollout(petals).status
    report.add(**{"champion without pods": {"seconds until it is told": round(told_after, 1), "message": told.message}})
    assert (after.current_step_index, after.canary_weight) == (before.current_step_index, before.canary_weight)
    assert not after.is_true(ConditionType.PROMOTED)
    assert after.stable.version == "1"


def test_a_predictor_pod_that_is_killed_costs_requests_for_a_stated_time(
    kube: Any, petals: str, midway: str, clients: Any, report: Any
) -> None:
    victim = names(kube.get("pods", "-l", "app=isvc.petals-v1-predictor"))[0]
    killed = time.time()

    kube.run("delete", "pod", victim, "--grace-period=0", "--force")
    time.sleep(OVER_SECONDS)
    kube.available("deployment/petals-v1-predictor")

    lost = clients.lost(since=killed - 1)
    seconds = max((one.sent for one in lost), default=killed) - killed
    report.add(
        **{
            "predictor pod killed": {
                "lost": len(lost),
                "seconds until the last": round(seconds, 2),
                "of": len(clients.answers(since=killed)),
            }
        }
    )
    assert seconds < OVER_SECONDS
    assert clients.answers(since=time.time() - 2)
    assert not clients.lost(since=time.time() - 2)


def test_a_restart_of_the_gateways_pod_loses_no_request(kube: Any, petals: str, midway: str, clients: Any, report: Any) -> None:
    began, before = time.time(), set(names(gateways(kube)))
    (proxy,) = kube.get("deployments", "-l", "app.kubernetes.io/component=proxy", namespace="envoy-gateway-system")

    kube.run("rollout", "restart", f"deployment/{proxy['metadata']['name']}", namespace="envoy-gateway-system")
    eventually(lambda: not set(names(gateways(kube))) & before, "the old pods are gone", seconds=180)

    clients.stop()
    figures = {"requests": len(clients.answers(since=began)), "lost": len(clients.lost(since=began))}
    report.add(**{"gateway restarted": figures})
    assert clients.lost(since=began) == []


def test_a_node_that_is_drained_in_mid_rollout_loses_no_request(
    kube: Any, petals: str, two_gateways: None, midway: str, clients: Any, report: Any
) -> None:
    worker = a_worker_of_the_champion(kube)
    before, began, clock = kube.rollout(petals).status, time.time(), time.monotonic()

    try:
        kube.run("drain", worker, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
        drained = time.monotonic() - clock
    finally:
        kube.run("uncordon", worker)
    eventually(lambda: not kube.rollout(petals).status.is_true(ConditionType.DEGRADED), "everything answers again", seconds=180)

    clients.stop()
    after = kube.rollout(petals).status
    figures = {
        "requests": len(clients.answers(since=began)),
        "lost": len(clients.lost(since=began)),
        "seconds": round(drained, 1),
    }
    report.add(**{"node drained": figures})
    assert clients.lost(since=began) == []
    assert (after.current_step_index, after.canary_weight) == (before.current_step_index, before.canary_weight)


def a_worker_of_the_champion(kube: Any) -> str:
    """A node that may be drained: not the first, which has everybody's volumes. A pod moves to one if all are there."""
    champion, first = "isvc.petals-v1-predictor", "kanarya-control-plane"
    nodes = {pod["spec"]["nodeName"] for pod in kube.get("pods", "-l", f"app={champion}")}
    if nodes == {first}:
        kube.run("cordon", first)
        kube.run("delete", "pod", kube.get("pods", "-l", f"app={champion}")[0]["metadata"]["name"])
        kube.available("deployment/petals-v1-predictor")
        kube.run("uncordon", first)
        nodes = {pod["spec"]["nodeName"] for pod in kube.get("pods", "-l", f"app={champion}")}
    return str(min(nodes - {first}))


def gateways(kube: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = kube.get("pods", "-l", "app.kubernetes.io/component=proxy", namespace="envoy-gateway-system")
    return found


def degraded(kube: Any, name: str, reason: Reason) -> Any:
    """The condition, while the rollout says that it lacks this."""
    condition = kube.rollout(name).status.condition(ConditionType.DEGRADED)
    return condition if condition is not None and condition.status == "True" and condition.reason == reason else None
