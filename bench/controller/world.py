"""What a rollout under way is made of, as objects: its ModelRollout, InferenceService, HTTPRoute, Deployments and pods.

There is no KServe, no kubelet and no gateway here. Everything stands as they would leave it while the challenger has 10 % and
no gate can tell yet, so the controller has nothing to change: what is measured is looking and counting.
"""

from datetime import UTC, datetime

from kanarya_contracts.names import API_VERSION, ConditionType, Reason
from kanarya_contracts.rollout import Condition, Ledger, ModelRollout, ModelRolloutStatus, VersionRef
from kanarya_rollout.ports import httproute, inferenceservice
from kanarya_rollout.ports.inferenceservice import KSERVE_API, LABEL_SERVICE, placed, service_name

STABLE, CANDIDATE = "1", "2"
WEIGHTS = {STABLE: 90, CANDIDATE: 10}
INTERVAL_SECONDS = 30
INTERVAL = f"{INTERVAL_SECONDS}s"
COUNTING = f"{ConditionType.PROGRESSING}: {Reason.SHIFTING_TRAFFIC}"
"""What is true of each."""
_MARGIN = {"tolerate": "1.2", "refuse": "2.0", "negligible": "0.0001"}


def digest(version: str) -> str:
    return f"sha256:{int(version):064x}"


def uri(model: str, version: str) -> str:
    return f"s3://models/{model}/{version}"


def rollout(space: str, name: str) -> ModelRollout:
    return ModelRollout.model_validate(
        {
            "metadata": {"name": name, "namespace": space},
            "spec": {
                "targetRef": {"name": name},
                "registry": {"model": name, "pollInterval": INTERVAL},
                "traffic": {"gatewayRef": {"name": "public", "namespace": "gateways"}, "hostnames": [f"{name}.example.com"]},
                "deadline": "2400h",
                "strategy": {"canary": {"steps": [{"setWeight": WEIGHTS[CANDIDATE]}, {"setWeight": 50}]}},
                "analysis": {
                    "interval": INTERVAL,
                    "metrics": [
                        {"name": "error-rate", "test": "sequential-ratio", "margin": _MARGIN, "minSamples": 1_000_000_000},
                        {"name": "latency", "test": "sequential-ratio", "slowerThan": "50ms", "margin": _MARGIN},
                        {"name": "error-ceiling", "test": "threshold", "signal": "errors", "failureCondition": "> 0.5"},
                    ],
                },
            },
        }
    )


def _ref(model: str, version: str) -> VersionRef:
    return VersionRef(version=version, digest=digest(version), uri=uri(model, version))


def status(model: str) -> ModelRolloutStatus:
    now = datetime.now(UTC)
    condition = Condition(
        type=ConditionType.PROGRESSING, status="True", reason=Reason.SHIFTING_TRAFFIC, message="", last_transition_time=now
    )
    return ModelRolloutStatus(
        observed_generation=1,
        canary_weight=WEIGHTS[CANDIDATE],
        current_step_index=0,
        step_started_at=now,
        started_at=now,
        stable=_ref(model, STABLE),
        candidate=_ref(model, CANDIDATE),
        conditions=(condition,),
        ledger=Ledger(step_observations={"error-rate": 0, "latency": 0, "error-ceiling": 0}),
    )


def objects(space: str, name: str) -> list[tuple[str, dict[str, object], dict[str, object] | None]]:
    """Path, object, and the status that is written after it: all but the HTTPRoute, which needs the InferenceService's uid."""
    one = rollout(space, name)
    document = one.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"status"})
    document["metadata"] = {"name": name, "namespace": space}
    said = {"status": status(name).model_dump(mode="json", by_alias=True, exclude_none=True)}
    bare = {
        "apiVersion": KSERVE_API,
        "kind": "InferenceService",
        "metadata": {"name": name, "namespace": space, "labels": {inferenceservice.LABEL_VISIBILITY: "cluster-local"}},
        "spec": {"predictor": {"minReplicas": 1, "model": {"modelFormat": {"name": "kanarya"}}}},
    }
    first, other = (placed(_ref(name, version), None) for version in (STABLE, CANDIDATE))
    service = inferenceservice.desired(bare, first, [other])
    found = [
        (f"/apis/{API_VERSION}/namespaces/{space}/modelrollouts/{name}", document, said),
        (f"/apis/{KSERVE_API}/namespaces/{space}/inferenceservices/{name}", service, None),
    ]
    for version in (STABLE, CANDIDATE):
        found += _running(space, name, service_name(name, version))
    return found


def _running(space: str, model: str, name: str) -> list[tuple[str, dict[str, object], dict[str, object] | None]]:
    labels = {"app": f"isvc.{name}", LABEL_SERVICE: model}
    pod = {"containers": [{"name": "kserve-container", "image": "model"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {"selector": {"matchLabels": {"app": labels["app"]}}, "template": template},
    }
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-0", "labels": labels}, "spec": pod}
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    return [
        (f"/apis/apps/v1/namespaces/{space}/deployments/{name}", deployment, None),
        (f"/api/v1/namespaces/{space}/pods/{name}-0", made, ready),
    ]


def route(space: str, name: str, uid: str) -> tuple[str, dict[str, object]]:
    """As the controller applies it."""
    document = httproute.desired(rollout(space, name), WEIGHTS, service_uid=uid)
    return f"/apis/{httproute.GATEWAY_API}/namespaces/{space}/httproutes/{name}-rollout", document


def accepted(document: dict[str, object]) -> dict[str, object]:
    """The status that a gateway writes under a route as it stands."""
    seen = {"observedGeneration": document["metadata"]["generation"], "lastTransitionTime": "2026-01-01T00:00:00Z"}
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": "", **seen} for kind in ("Accepted", "ResolvedRefs")
    ]
    parent = {"parentRef": document["spec"]["parentRefs"][0], "controllerName": "example.com/gateway", "conditions": conditions}
    return {"status": {"parents": [parent]}}
