"""Mirror first, on Envoy Gateway: a version answers copies, is compared on the same labelled requests, and only then people."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from e2e_kube import eventually
from e2e_traffic import by_version
from e2e_versions import wrong

from kanarya_contracts.names import ConditionType

STEPS = [{"setMirror": {"percentage": 100}}, {"analysis": {"until": ["error-rate", "paired"]}}, {"setWeight": 25}]
PAIRED = {"name": "paired", "test": "sequential-pairs", "margin": {"tolerate": "0", "refuse": "-0.05"}}
SETTLED = 1.0
"""Seconds within which a client may have been answered before the status that says so was seen."""


@pytest.fixture
def mirror_first(kube: Any) -> Iterator[None]:
    """Copies before the first weight, and a gate on pairs; what was there comes back."""
    spec = kube.get("modelrollout", "iris")["spec"]

    def write(steps: Any, metrics: Any) -> None:
        patch = [
            {"op": "replace", "path": "/spec/strategy/canary/steps", "value": steps},
            {"op": "replace", "path": "/spec/analysis/metrics", "value": metrics},
        ]
        kube.run("patch", "modelrollout/iris", "--type=json", "-p", json.dumps(patch))

    metrics = spec["analysis"]["metrics"]
    write(STEPS, [*metrics, PAIRED])
    yield
    write(spec["strategy"]["canary"]["steps"], metrics)


def test_a_version_is_judged_by_copies_before_it_answers_anybody(
    calm: str, mirror_first: None, kube: Any, traffic: Any, seen: Any, registry: Any, report: Any
) -> None:
    version = registry.challenge()

    eventually(lambda: kube.rollout().status.stable.version == version, f"version {version} is promoted", seconds=240)
    time.sleep(2 * SETTLED)
    traffic.stop()

    about = [(at, status) for at, status in seen.changes if status.candidate and status.candidate.version == version]
    mirrored = [status for _, status in about if status.canary_mirror]
    weighted = next(at for at, status in about if status.canary_weight)
    last = {one.metric: one for one in mirrored[-1].evidence}
    before = traffic.answers(until=weighted - SETTLED)
    report.add(
        mirror={
            "lost": len(traffic.lost()), "answered before the first weight": by_version(before),
            "copies counted": last["error-rate"].candidate.n, "pairs": last["paired"].candidate.n,
        }
    )  # fmt: skip
    assert {status.canary_weight for status in mirrored} == {0}
    assert by_version(before).keys() == {calm}
    assert last["error-rate"].candidate.n >= 100
    assert last["paired"].candidate.n > 0
    assert (last["accuracy"].candidate.n, last["accuracy"].verdict) == (0, "NoData")  # copies have no labels of their own
    assert traffic.lost() == []
    assert kube.rollout().status.condition(ConditionType.PROMOTED).reason == "GatesAgreed"


def test_a_version_that_is_wrong_on_copies_never_answers_anybody(
    calm: str, mirror_first: None, kube: Any, traffic: Any, registry: Any, report: Any
) -> None:
    version = registry.challenge(wrong)

    eventually(lambda: taken_back(kube, version), f"version {version} is rolled back", seconds=180)
    time.sleep(2 * SETTLED)
    traffic.stop()

    status = kube.rollout().status
    failed = {one.metric for one in status.evidence if one.verdict == "Failed"}
    paired = next(one for one in status.evidence if one.metric == "paired")
    report.add(**{"rolled back on copies": {"gates": sorted(failed), "pairs": paired.candidate.n, "message": paired.message}})
    assert failed == {"paired"}
    assert version not in by_version(traffic.answers())
    assert traffic.lost() == []
    assert (status.canary_mirror, status.stable.version) == (0, calm)
    route = kube.get("httproute", "iris-rollout")
    assert "RequestMirror" not in json.dumps(route["spec"])


def taken_back(kube: Any, version: str) -> bool:
    status = kube.rollout().status
    return status.is_true(ConditionType.ROLLED_BACK) and status.candidate.version == version
