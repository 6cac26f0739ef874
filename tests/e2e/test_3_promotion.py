"""A second Job's version is rolled out by itself: the split is as asked for, no request is lost, no promoted pod restarts."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from e2e_kube import command, eventually
from e2e_traffic import Traffic, by_version

from kanarya_contracts.names import ConditionType

ROOT = Path(__file__).parents[2]
SIGMAS = 4.5
"""Of the binomial: a right split is called wrong once in 100,000 looks."""

SETTLED = 0.5
"""Seconds after a status is seen, and before the next is, whose requests are left out: the gateway may be in between."""


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Traffic]:
    """More clients than the other chapters have: a rollout is over in seconds where requests are many."""
    with Traffic(tmp_path, rate=300) as clients:
        eventually(lambda: len(clients.answers()) >= 2000, "clients are served before anything begins")
        yield clients


@pytest.fixture
def longer_steps(kube: Any) -> Iterator[None]:
    """Steps that last long enough for their split to be counted at the client."""

    def wait_for(samples: int) -> None:
        patch = [{"op": "replace", "path": "/spec/analysis/metrics/0/minSamples", "value": samples}]
        kube.run("patch", "modelrollout/iris", "--type=json", "-p", json.dumps(patch))

    before = kube.get("modelrollout", "iris")["spec"]["analysis"]["metrics"][0]["minSamples"]
    wait_for(400)
    yield
    wait_for(before)


def test_a_second_training_is_rolled_out_by_itself(
    kube: Any, many: Traffic, longer_steps: None, seen: Any, registry: Any, report: Any, calm: str
) -> None:
    kube.helm(
        "upgrade", "--install", "iris", str(ROOT / "helm/training-job"), "--wait-for-jobs", "--wait", "--timeout", "300s",
        "--set-file", f"configFile={ROOT / 'examples/iris.yaml'}", "--set-file", rf"data.iris\.csv={ROOT / 'data/iris.csv'}",
    )  # fmt: skip
    version = registry.alias("challenger")
    assert version is not None
    assert version != calm
    pods = eventually(lambda: kube.get("pods", "-l", f"app=isvc.iris-v{version}-predictor"), "its pod is there")
    uids = {pod["metadata"]["uid"] for pod in pods}

    eventually(lambda: kube.rollout().status.stable.version == version, f"version {version} is promoted", seconds=240)
    time.sleep(5)  # the old champion has let go of what it had
    many.stop()

    answers = many.answers()
    until_promoted = len(many.answers(until=promoted_at(seen, version)))
    status = kube.rollout().status
    after = {pod["metadata"]["uid"]: pod for pod in kube.get("pods", "-l", f"app=isvc.iris-v{version}-predictor")}
    splits = {weight: split(answers, spans, version, weight) for weight, spans in weighted(seen.spans()).items()}
    report.add(
        promotion={
            "requests": len(answers), "until the promotion": until_promoted, "lost": len(many.lost()),
            "answered": by_version(answers),
            "steps": [weight for _, _, weight in seen.spans()], "splits": splits,
            "seconds from the alias to the promotion": round(promoted_at(seen, version) - pinned_at(seen, version), 1),
        }
    )  # fmt: skip
    assert until_promoted >= 5000
    assert many.lost() == []
    assert [weight for _, _, weight in seen.spans() if weight][:4] == [10, 25, 50, 100]
    assert status.is_true(ConditionType.PROMOTED)
    assert status.condition(ConditionType.PROMOTED).reason == "GatesAgreed"
    assert registry.alias("champion") == version
    for weight in (10, 25, 50):
        found = splits[weight]
        assert found["n"] >= 50, found
        assert abs(found["sigmas"]) < SIGMAS, found
    assert set(after) == uids, "a promoted pod was replaced"
    assert all(one["restartCount"] == 0 for pod in after.values() for one in pod["status"]["containerStatuses"])


def test_undo_goes_back_to_the_champion_that_stayed_warm(
    kube: Any, traffic: Any, registry: Any, report: Any, calm: str
) -> None:
    warm = kube.rollout().status.warm
    assert warm is not None, "no former champion is warm"
    uids = {pod["metadata"]["uid"] for pod in kube.get("pods", "-l", f"app=isvc.iris-v{warm.version}-predictor")}
    asked = time.time()

    command("kanarya", "rollout", "undo", "iris", "-n", kube.namespace)

    eventually(lambda: registry.alias("champion") == warm.version, "the registry follows")
    time.sleep(2 * SETTLED)
    now = time.time()
    last = max(one.sent for one in traffic.answers() if one.version == calm) - asked
    command("kanarya", "rollout", "retry", "iris", "-n", kube.namespace)  # it was good: the chapters after this one stand on it
    eventually(lambda: kube.rollout().status.stable.version == calm, "it is promoted again", seconds=240)
    traffic.stop()

    report.add(
        undo={"requests": len(traffic.answers()), "lost": len(traffic.lost()), "seconds to the last request": round(last, 2)}
    )
    assert traffic.lost() == []
    assert set(by_version(traffic.answers(since=now - SETTLED, until=now))) == {warm.version}
    assert {pod["metadata"]["uid"] for pod in kube.get("pods", "-l", f"app=isvc.iris-v{warm.version}-predictor")} == uids


def weighted(spans: list[tuple[float, float, int]]) -> dict[int, list[tuple[float, float]]]:
    """Weight → when it was the one asked for."""
    found: dict[int, list[tuple[float, float]]] = {}
    for begin, end, weight in spans:
        found.setdefault(weight, []).append((begin + SETTLED, end - SETTLED))
    return {weight: times for weight, times in found.items() if 0 < weight < 100}


def split(answers: Any, spans: list[tuple[float, float]], version: str, weight: int) -> dict[str, float]:
    """How many of the requests sent in these times the version answered, and how far from the weight that is."""
    inside = [one for one in answers if any(begin <= one.sent < end for begin, end in spans)]
    n, hit, share = len(inside), sum(one.version == version for one in inside), weight / 100
    sigmas = (hit - n * share) / math.sqrt(n * share * (1 - share)) if n else 0.0
    return {"n": n, "share": round(hit / n, 4) if n else 0.0, "sigmas": round(sigmas, 2)}


def promoted_at(seen: Any, version: str) -> float:
    return next(at for at, status in seen.changes if status.stable is not None and status.stable.version == version)


def pinned_at(seen: Any, version: str) -> float:
    return next(at for at, status in seen.changes if status.candidate is not None and status.candidate.version == version)
