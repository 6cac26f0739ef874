"""The CustomResourceDefinition on a real kube-apiserver: it takes what the models take and says what it refuses."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kanarya_contracts.problems import InvalidInput, validated
from kanarya_contracts.rollout import ModelRollout
from kanarya_contracts.testing import changed, rollout_document, without

pytestmark = pytest.mark.xdist_group("apiserver")  # one server, on one worker

ROOT = Path(__file__).resolve().parents[2]
CRD = "modelrollouts.kanarya.dev"
OBJECTS = "/apis/kanarya.dev/v1alpha1/namespaces/default/modelrollouts"
DRY = "?dryRun=All&fieldValidation=Strict"

STEPS = "spec.strategy.canary.steps"
GATE = "spec.analysis.metrics[0]"
MARGIN = {"tolerate": "1.2", "refuse": "2.0"}
DIFFERENCE = {"tolerate": "0", "refuse": "-0.2"}


def manifest() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "manifests/iris/modelrollout.yaml").read_text(encoding="utf-8"))
    return document


def threshold(**changes: object) -> dict[str, Any]:
    """The manifest with one threshold gate."""
    gate = {"name": "error-rate", "test": "threshold", "failureCondition": "> 0.05"} | changes
    return changed(manifest(), "spec.analysis.metrics", [{key: value for key, value in gate.items() if value is not None}])


def mean(**bounds: str) -> dict[str, Any]:
    """The manifest with one gate on scores."""
    gate = {"name": "score", "test": "sequential-mean", "margin": DIFFERENCE, "scores": bounds}
    return changed(manifest(), "spec.analysis.metrics", [gate])


def users(**changes: object) -> dict[str, Any]:
    """The manifest with an A/B test in the place of its steps."""
    test = {"sticky": {"header": "x-user-id"}, "goal": {"name": "purchase", "minimumEffect": "0.01"}}
    return changed(manifest(), "spec.strategy", {"abTest": test | changes})


def revenue(effect: str = "2.5", **bounds: str) -> dict[str, Any]:
    """An A/B test whose goal is a mean."""
    return users(goal={"name": "revenue", "minimumEffect": effect, "scores": bounds})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt field": (changed(manifest(), "spec.trafic", {}), 'unknown field "spec.trafic"'),
    "no registry": (without(manifest(), "spec.registry"), "spec.registry: Required value"),
    "a name with a dot": (changed(manifest(), "metadata.name", "a.b"), "metadata.name: expected a DNS label"),
    "one alias twice": (
        changed(manifest(), "spec.registry.candidateAlias", "champion"),
        "stableAlias and candidateAlias: expected two different ones",
    ),
    "a poll of 0s": (changed(manifest(), "spec.registry.pollInterval", "0s"), "expected more than 0s"),
    "a deadline of 0s": (changed(manifest(), "spec.deadline", "0s"), "expected more than 0s"),
    "a freeze that ends when it begins": (
        changed(manifest(), "spec.freeze", [{"from": "09:00", "to": "09:00"}]),
        "from and to: expected two different times",
    ),
    "a freeze whose dates are the wrong way": (
        changed(manifest(), "spec.freeze", [{"firstDate": "2027-01-03", "lastDate": "2026-12-20"}]),
        "lastDate: expected firstDate or later",
    ),
    "a freeze on a day that is none": (changed(manifest(), "spec.freeze", [{"days": ["Caturday"]}]), "Unsupported value"),
    "a freeze on a date that is none": (
        changed(manifest(), "spec.freeze", [{"firstDate": "2026-02-30"}]),
        "must be of type date",
    ),
    "a freeze at an hour that is none": (changed(manifest(), "spec.freeze", [{"from": "24:00"}]), "should match"),
    "a freeze in a zone that is none": (changed(manifest(), "spec.freeze", [{"timeZone": "Mars/Olympus"}]), "Mars/Olympus"),
    "a duration without unit": (changed(manifest(), "spec.deadline", "60"), "spec.deadline: Invalid value"),
    "a float": (changed(manifest(), f"{GATE}.margin.tolerate", 1.2), "must be of type string"),
    "weight 0": (changed(manifest(), f"{STEPS}[0].setWeight", 0), "should be greater than or equal to 1"),
    "weight 101": (changed(manifest(), f"{STEPS}[2].setWeight", 101), "should be less than or equal to 100"),
    "weights that fall": (
        changed(manifest(), f"{STEPS}[1].setWeight", 5),
        "expected each setWeight to be larger than the one before",
    ),
    "a weight twice": (changed(manifest(), f"{STEPS}[1].setWeight", 10), "larger than the one before"),
    "no weight": (changed(manifest(), STEPS, [{"pause": {}}]), "steps: expected at least one setWeight"),
    "no step": (changed(manifest(), STEPS, []), "should have at least 1 items"),
    "a step of two kinds": (
        changed(manifest(), f"{STEPS}[0].pause", {}),
        "expected exactly one of setWeight, pause, setMirror, analysis",
    ),
    "a step of none": (changed(manifest(), f"{STEPS}[0]", {}), "expected exactly one of"),
    "a mirror after a weight": (
        changed(manifest(), STEPS, [{"setWeight": 5}, {"setMirror": {"percentage": 100}}]),
        "steps: expected each setMirror before the first setWeight",
    ),
    "a mirror that nobody makes": (
        changed(
            changed(manifest(), "spec.traffic", {"driver": "kserve"}),
            STEPS,
            [{"setMirror": {"percentage": 100}}, {"setWeight": 5}],
        ),
        "traffic.driver kserve does not mirror",
    ),
    "two strategies": (changed(manifest(), "spec.strategy.blueGreen", {}), "expected exactly one of canary, blueGreen, abTest"),
    "no strategy": (changed(manifest(), "spec.strategy", {}), "expected exactly one of canary, blueGreen, abTest"),
    "labels for blue/green": (
        changed(manifest(), "spec.strategy", {"blueGreen": {}}),
        "strategy.blueGreen gives labels, scores and the split nothing to count; expected onNoData pass",
    ),
    "silence for blue/green": (
        changed(
            changed(manifest(), "spec.strategy", {"blueGreen": {"mirror": 0}}),
            "spec.analysis.metrics",
            [manifest()["spec"]["analysis"]["metrics"][0]],
        ),
        "nothing to count; expected onNoData pass",
    ),
    "blue/green that nobody mirrors": (
        changed(
            changed(changed(manifest(), "spec.strategy", {"blueGreen": {}}), "spec.traffic", {"driver": "kserve"}),
            "spec.analysis.metrics",
            [manifest()["spec"]["analysis"]["metrics"][0]],
        ),
        "traffic.driver kserve does not mirror",
    ),
    "pairs without copies": (
        changed(manifest(), GATE, {"name": "paired", "test": "sequential-pairs", "margin": DIFFERENCE}),
        "test sequential-pairs needs a setMirror step",
    ),
    "copies of more than there is": (
        changed(manifest(), STEPS, [{"setMirror": {"percentage": 101}}, {"setWeight": 5}]),
        "should be less than or equal to 100",
    ),
    "a gate nobody has": (
        changed(manifest(), STEPS, [{"setWeight": 5}, {"analysis": {"until": ["drift"]}}]),
        "names a gate that is not in analysis.metrics",
    ),
    "a gate's name twice": (changed(manifest(), "spec.analysis.metrics[1].name", "error-rate"), "Duplicate value"),
    "a threshold without condition": (threshold(failureCondition=None), "failureCondition is missing; test threshold needs it"),
    "a threshold with margin": (threshold(margin=MARGIN), "margin is not taken by tests threshold"),
    "a threshold above 1": (threshold(failureCondition="> 1.5"), "failureCondition: expected a rate between 0 and 1"),
    "a condition in words": (threshold(failureCondition="more than 1"), "failureCondition in body should match"),
    "a sequential test without margin": (
        without(manifest(), f"{GATE}.margin"),
        "margin is missing; tests that compare need it",
    ),
    "a sequential test with condition": (
        changed(manifest(), f"{GATE}.failureCondition", "> 0.05"),
        "failureCondition is for test threshold alone",
    ),
    "a limit of failures for a sequential test": (
        changed(manifest(), f"{GATE}.failureLimit", 3),
        "failureLimit is for test threshold alone",
    ),
    "a limit of failures below none": (threshold(failureLimit=-1), "should be greater than or equal to 0"),
    "ratios the wrong way": (
        changed(manifest(), f"{GATE}.margin.tolerate", "3.0"),
        "expected ratios with 0 < tolerate < refuse",
    ),
    "differences the wrong way": (
        changed(manifest(), "spec.analysis.metrics[2].margin.refuse", "0.1"),
        "expected differences with 1 > tolerate > refuse > -1",
    ),
    "negligible for a difference": (
        changed(manifest(), "spec.analysis.metrics[2].margin.negligible", "0.1"),
        "margin.negligible is for test sequential-ratio alone",
    ),
    "negligible 1": (changed(manifest(), f"{GATE}.margin.negligible", "1.0"), "margin.negligible: expected a rate"),
    "scores for a ratio": (changed(manifest(), f"{GATE}.scores", {"high": "1"}), "scores is for test sequential-mean alone"),
    "a mean without bounds": (
        changed(manifest(), f"{GATE}", {"name": "score", "test": "sequential-mean", "margin": DIFFERENCE}),
        "scores is missing; test sequential-mean needs it",
    ),
    "bounds the wrong way": (mean(low="5", high="1"), "scores: expected 0 <= low < high"),
    "a difference of means that cannot be": (mean(high="0.1"), "expected differences with high - low > tolerate"),
    "shares the wrong way": (
        changed(manifest(), f"{GATE}", {"name": "classes", "test": "distribution", "margin": DIFFERENCE}),
        "expected shares with 0 <= tolerate < refuse < 1",
    ),
    "a margin for the split": (
        changed(manifest(), f"{GATE}", {"name": "split", "test": "sample-ratio", "margin": MARGIN}),
        "margin is not taken by tests threshold and sample-ratio",
    ),
    "labels for a ratio": (
        changed(manifest(), f"{GATE}.signal", "labels"),
        "signal: for test sequential-ratio, expected errors",
    ),
    "an unknown signal": (changed(manifest(), f"{GATE}.name", "errors"), "signal is missing"),
    "a bound for errors": (changed(manifest(), f"{GATE}.slowerThan", "50ms"), "slowerThan is for signal slow alone"),
    "a bound of no bucket": (changed(manifest(), "spec.analysis.metrics[1].slowerThan", "60ms"), "slowerThan: expected one of"),
    "alpha 0": (changed(manifest(), f"{GATE}.alpha", "0"), "expected more than 0 and less than 1"),
    "beta 1": (changed(manifest(), f"{GATE}.beta", "1"), "expected more than 0 and less than 1"),
    "steps and users": (
        changed(users(), "spec.strategy.canary", {"steps": [{"setWeight": 5}]}),
        "expected exactly one of canary, blueGreen, abTest",
    ),
    "users by header and cookie": (users(sticky={"header": "a", "cookie": "b"}), "expected exactly one of header, cookie"),
    "users by nothing": (users(sticky={}), "expected exactly one of header, cookie"),
    "a split of all": (users(split=100), "should be less than or equal to 99"),
    "an effect of 0": (users(goal={"name": "purchase", "minimumEffect": "0"}), "expected more than 0 and less than 1"),
    "an effect as large as the bounds": (revenue("60", low="-10", high="50"), "with scores, than high - low"),
    "a goal's bounds that are one": (revenue(low="5", high="5"), "scores: expected low < high"),
    "a goal without an upper bound": (revenue(low="5"), "spec.strategy.abTest.goal.scores.high: Required value"),
    "a goal that is a gate": (
        users(goal={"name": "error-rate", "minimumEffect": "0.01"}),
        "a gate has the name of strategy.abTest.goal",
    ),
    "a duration beyond the deadline": (users(minimumDuration="1h"), "minimumDuration: expected less than deadline"),
    "one alias for two challengers": (
        users(split=10, rivals=[{"alias": "bold", "split": 10}, {"alias": "bold", "split": 20}]),
        "rivals: two have the same alias",
    ),
    "a rival with the champion's alias": (
        users(split=10, rivals=[{"alias": "champion", "split": 10}]),
        "a rival has the alias registry.stableAlias or registry.candidateAlias",
    ),
    "splits that leave the champion nobody": (
        users(split=50, rivals=[{"alias": "bold", "split": 50}]),
        "the splits of all challengers sum to more than 99",
    ),
    "more challengers than fit in a route": (
        users(split=10, rivals=[{"alias": f"r{number}", "split": 10} for number in range(4)]),
        "must have at most 3 items",
    ),
    "users with KServe's weights": (changed(users(), "spec.traffic.driver", "kserve"), "strategy.abTest needs driver gateway"),
    "a split of requests for users": (
        changed(users(), GATE, {"name": "split", "test": "sample-ratio"}),
        "sample-ratio counts requests",
    ),
    "a driver nobody wrote": (changed(manifest(), "spec.traffic.driver", "istio"), "Unsupported value"),
}


@pytest.fixture(scope="module")
def api(apiserver: Any) -> Iterator[Any]:
    """The API server, with our definition established."""
    definition = yaml.safe_load((ROOT / f"helm/rollout/crds/{CRD}.yaml").read_text(encoding="utf-8"))
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    said = apiserver.call("POST", path, definition)
    assert said["kind"] == "CustomResourceDefinition", said
    for _ in range(100):
        if apiserver.call("GET", OBJECTS).get("kind") == "ModelRolloutList":
            break
        time.sleep(0.1)
    conditions = {one["type"]: one for one in apiserver.call("GET", f"{path}/{CRD}")["status"]["conditions"]}
    assert conditions["Established"]["status"] == "True"
    assert "NonStructuralSchema" not in conditions, conditions["NonStructuralSchema"]
    yield apiserver
    apiserver.call("DELETE", f"{path}/{CRD}")


@pytest.mark.parametrize(
    "document",
    [
        manifest(),
        changed(
            manifest(),
            STEPS,
            [{"setMirror": {"percentage": 10}}, {"pause": {}}, {"setMirror": {"percentage": 100}}, {"setWeight": 5}],
        ),
        changed(
            changed(manifest(), "spec.strategy", {"blueGreen": {"autoPromotionEnabled": False}}),
            "spec.analysis.metrics",
            [
                *manifest()["spec"]["analysis"]["metrics"][:2],
                manifest()["spec"]["analysis"]["metrics"][2] | {"onNoData": "pass"},
                {"name": "accuracy-paired", "test": "sequential-pairs", "margin": DIFFERENCE},
                {"name": "error-rate-ceiling", "test": "threshold", "failureCondition": "> 0.1"},
                {"name": "classes", "test": "distribution", "margin": {"tolerate": "0.02", "refuse": "0.1"}},
            ],
        ),
    ],
    ids=["iris", "mirror first", "blue/green"],
)
def test_a_manifest_as_documented_is_accepted(api: Any, document: dict[str, Any]) -> None:
    said = api.call("POST", OBJECTS + DRY, document)
    assert said["kind"] == "ModelRollout", said["message"]


def test_defaults_are_those_of_the_models(api: Any) -> None:
    least = changed(rollout_document(), "spec.traffic", {"gatewayRef": {"name": "gateway"}})
    said = api.call("POST", OBJECTS + DRY, least)
    assert said["kind"] == "ModelRollout", said["message"]
    assert validated(ModelRollout, {"metadata": {"name": "iris"}, "spec": said["spec"]}, source="server").spec == (
        validated(ModelRollout, least, source="file").spec
    )
    assert said["spec"]["registry"]["stableAlias"] == "champion"
    assert "status" not in said


@pytest.mark.parametrize(
    "document",
    [
        users(),
        revenue(high="500"),
        revenue(low="-20.5", high="500", better="lower"),
        users(rivals=[{"alias": "bold", "split": 49}]),
    ],
)
def test_an_ab_test_is_accepted_with_the_models_defaults(api: Any, document: dict[str, Any]) -> None:
    said = api.call("POST", OBJECTS + DRY, document)
    assert said["kind"] == "ModelRollout", said["message"]
    assert said["spec"]["strategy"]["abTest"]["split"] == 50
    served, written = ({"metadata": {"name": "iris"}, "spec": one["spec"]} for one in (said, document))
    assert validated(ModelRollout, served, source="server").spec == validated(ModelRollout, written, source="file").spec


@pytest.mark.parametrize("what", REFUSED)
def test_what_the_models_refuse_is_refused_with_a_message(api: Any, what: str) -> None:
    document, message = REFUSED[what]
    said = api.call("POST", OBJECTS + DRY, document)
    assert said["kind"] == "Status", "it was accepted"
    assert message in said["message"]
    with pytest.raises(InvalidInput):
        validated(ModelRollout, document, source="file")


def test_the_gateway_driver_needs_a_gateway_on_kubernetes_alone(api: Any) -> None:
    document = without(manifest(), "spec.traffic.gatewayRef")
    said = api.call("POST", OBJECTS + DRY, document)
    assert "traffic.gatewayRef is missing; driver gateway needs it" in said["message"]
    validated(ModelRollout, document, source="file")  # local mode's Envoy is the gateway


def test_a_status_the_controller_writes_is_kept_whole_and_shown(api: Any) -> None:
    made = api.call("POST", OBJECTS, manifest())
    status = {
        "observedGeneration": 1,
        "canaryWeight": 25,
        "currentStepIndex": 1,
        "stable": {"version": "7", "digest": None, "uri": None},
        "candidate": {"version": "8", "digest": f"sha256:{'0' * 64}", "uri": "s3://models/8"},
        "retiring": None,
        "evidence": [{"metric": "error-rate", "candidate": {"n": 812, "bad": 3}, "logE": "-1.93", "verdict": "Inconclusive"}],
        "conditions": [
            {
                "type": "Progressing",
                "status": "True",
                "reason": "ShiftingTraffic",
                "message": "",
                "lastTransitionTime": "2026-11-23T16:00:00Z",
                "observedGeneration": 1,
            }
        ],
        "ledger": {"counters": {"a{b}": 7}, "gates": {"error-rate": {"sums": ["1.5"]}}, "stepObservations": {}},
    }
    said = api.call("PUT", f"{OBJECTS}/iris/status", made | {"status": status})
    assert said.get("status", {}).get("ledger") == status["ledger"], said
    assert validated(ModelRollout, without_server_fields(said), source="server").status.canary_weight == 25
    table = api.call("GET", OBJECTS, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    shown = dict(zip((one["name"] for one in table["columnDefinitions"]), table["rows"][0]["cells"], strict=True))
    assert [shown[name] for name in ("Model", "Champion", "Challenger", "Weight", "Step")] == ["iris", "7", "8", 25, 1]
    assert shown["Progressing"] == "ShiftingTraffic"


def without_server_fields(document: dict[str, Any]) -> dict[str, Any]:
    """What a person wrote, and the status."""
    metadata = document["metadata"]
    kept = {"name": metadata["name"], "namespace": metadata["namespace"], "generation": metadata["generation"]}
    return {key: document[key] for key in ("apiVersion", "kind", "spec", "status")} | {"metadata": kept}
