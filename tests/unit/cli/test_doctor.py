"""What `kanarya doctor` makes of a cluster, on documents: the charts' as they are rendered, broken one at a time."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from kanarya_cli.doctor import controller, examination, kinds, report
from kanarya_cli.doctor.finding import Finding, State
from kanarya_cli.doctor.seen import Answer, Granted, Listing, Seen
from kanarya_cli.doctor.workloads import Address, address
from kanarya_contracts import metrics
from kanarya_contracts.names import API_VERSION, ConditionType, Reason
from kanarya_contracts.rollout import Condition, ModelRollout, ModelRolloutStatus
from kanarya_contracts.testing import changed, gate, rollout, version, without
from kanarya_rollout.ports.httproute import GATEWAY_API
from kanarya_rollout.ports.inferenceservice import KSERVE_API
from kanarya_rollout.ports.prometheus import STARTED, Sample, Samples

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC)
MLFLOW = Address(scheme="http", service="platform-mlflow", namespace="kanarya", port=5000, certain=True)
MINIO = Address(scheme="http", service="platform-minio", namespace="kanarya", port=9000, certain=True)
PROMETHEUS = Address(scheme="http", service="prometheus-operated", namespace="monitoring", port=9090, certain=False)
HEALTH, ARTIFACTS = (MLFLOW, "/health"), (MLFLOW, "/api/2.0/mlflow-artifacts/artifacts")


def rendered(chart: str, kind: str, name: str) -> dict[str, Any]:
    documents = yaml.load_all((ROOT / f"manifests/rendered/{chart}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    return next(one for one in documents if one and one["kind"] == kind and one["metadata"]["name"] == name)


def deployment(chart: str, name: str) -> dict[str, Any]:
    """As the API server has it once its pods are available."""
    found = changed(rendered(chart, "Deployment", name), "metadata.namespace", "kanarya")
    return changed(found, "status", {"availableReplicas": found["spec"]["replicas"]})


def manager(image: str = "docker.io/kserve/kserve-controller:v0.20.0", available: int = 1) -> dict[str, Any]:
    containers = [{"name": "kube-rbac-proxy", "image": "proxy:v0.18.0"}, {"name": "manager", "image": image}]
    return {
        "metadata": {"name": "kserve-controller-manager", "namespace": "kserve"},
        "spec": {"replicas": 1, "template": {"spec": {"containers": containers}}},
        "status": {"availableReplicas": available},
    }


def openapi(**schemas: object) -> Answer:
    own = "x-kubernetes-group-version-kind"
    return Answer(
        document={"components": {"schemas": {kind: {**dict(one), own: [{"kind": kind}]} for kind, one in schemas.items()}}}
    )


def crd() -> dict[str, Any]:
    document = yaml.load((ROOT / "helm/rollout/crds/modelrollouts.kanarya.dev.yaml").read_text(), yaml.CSafeLoader)
    return document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def with_canary() -> dict[str, Any]:
    return {"properties": {"spec": {"properties": {"canary": {"type": "array"}}}}}


def sample(name: str, value: str, **labels: str) -> Sample:
    return Sample(metric={"__name__": name, "job": "kanarya-model", "instance": "10.0.0.7:8080", **labels}, value=(0, value))


def samples(of: str) -> Samples:
    info = sample(metrics.INFO, "1", model="iris", version=of, namespace="default")
    return Samples.of({metrics.INFO: (info,), STARTED: (sample(STARTED, "1.5e9"),)})


def serving(**status: object) -> ModelRollout:
    ref = {"name": "kserve-ingress-gateway", "namespace": "kserve"}
    made = ModelRolloutStatus.model_validate({"stable": version("1"), **status})
    return rollout(gates=[gate()], traffic={"gateway_ref": ref}, status=made)


def conditions(**said: str) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "status": value, "reason": "Because", "message": ""} for kind, value in said.items()]}


def granted(*, but: str = "") -> Granted:
    return {right: str(right) != but for right in controller.rights(["default"])}


def healthy() -> Seen:
    labels = {"networking.kserve.io/visibility": "cluster-local"}
    iris = {"metadata": {"name": "iris", "labels": labels}, "spec": {"predictor": {"model": {}, "name": "v1"}}}
    iris["spec"]["predictor"]["model"] = {"modelFormat": {"name": "kanarya"}}
    minio = {"metadata": {"labels": {"app.kubernetes.io/name": "kanarya-minio"}}}
    answers = Answer(document={"message": "OK"})
    return Seen(
        now=NOW,
        namespace="default",
        version={"gitVersion": "v1.34.4"},
        kinds={
            API_VERSION: openapi(ModelRollout=crd()),
            KSERVE_API: openapi(InferenceService=with_canary()),
            GATEWAY_API: openapi(Gateway={}, HTTPRoute={}),
        },
        rollouts={"default/iris": serving()},
        controllers=Listing(items=(deployment("rollout", "rollout"),)),
        registries=Listing(items=(deployment("platform", "platform-mlflow"),)),
        kserve=Listing(items=(manager(),)),
        kserve_settings=Answer(document={"data": {"deploy": '{"defaultDeploymentMode": "Standard"}', "ingress": "{}"}}),
        targets={"default/iris": Answer(document=iris)},
        gateways={"kserve/kserve-ingress-gateway": Answer(document={"status": conditions(Accepted="True", Programmed="True")})},
        leases={"kanarya/rollout": Answer(document={"spec": {"holderIdentity": "pod-1", "renewTime": NOW.isoformat()}})},
        person=dict.fromkeys(controller.rights_of_a_person(["default"]), True),
        accounts={"kanarya/rollout": granted()},
        services={MLFLOW: answers, MINIO: Answer(document=minio), PROMETHEUS: answers},
        pages=dict.fromkeys([HEALTH, ARTIFACTS, (MINIO, "/minio/health/ready"), (PROMETHEUS, "/-/ready")], answers),
        scraped={PROMETHEUS: samples("1")},
    )


Change = Callable[[Seen], Seen]


def put(name: str, key: object, value: object) -> Change:
    """`seen.name[key] = value`, in a copy."""
    return lambda seen: replace(seen, **{name: {**getattr(seen, name), key: value}})


def having(**fields: Any) -> Change:
    """Other values of whole fields."""
    return lambda seen: replace(seen, **fields)


def altered(name: str, path: str, value: object) -> Change:
    """A change to the one Deployment of a listing."""
    return lambda seen: replace(seen, **{name: Listing(items=(changed(getattr(seen, name).items[0], path, value),))})


def told(name: str, value: str) -> Change:
    """The controller's environment says something else."""

    def change(seen: Seen) -> Seen:
        path = "spec.template.spec.containers[0].env"
        env = seen.controllers.items[0]["spec"]["template"]["spec"]["containers"][0]["env"]
        others = [one for one in env if one["name"] != name]
        return altered("controllers", path, [*others, {"name": name, "value": value}])(seen)

    return change


def target(path: str, value: object) -> Change:
    """A change to the InferenceService."""
    return lambda seen: put(
        "targets", "default/iris", Answer(document=changed(seen.targets["default/iris"].document or {}, path, value))
    )(seen)


DEGRADED = Condition(
    type=ConditionType.DEGRADED,
    status="True",
    reason=Reason.REGISTRY_UNREACHABLE,
    message="MLflow is away",
    last_transition_time=NOW,
)
OLD_LEASE = {"spec": {"holderIdentity": "pod-1", "renewTime": (NOW - timedelta(minutes=3)).isoformat()}}
NO_INGRESS = Answer(document={"data": {"ingress": '{"disableIngressCreation": true}'}})
UNPROGRAMMED = {"status": conditions(Accepted="True", Programmed="False")}
GATEWAY, LEASE = "kserve/kserve-ingress-gateway", "kanarya/rollout"

FAULTS: list[tuple[Change, str, str]] = [
    (having(version={"gitVersion": "v1.30.9-eks"}), "API server", "v1.30.9-eks"),
    (
        put("kinds", API_VERSION, openapi(ModelRollout=without(crd(), "properties.status.properties.ledger"))),
        "kind ModelRollout",
        "drops status.ledger",
    ),
    (put("kinds", API_VERSION, Answer()), "kind ModelRollout", "is not served"),
    (put("kinds", KSERVE_API, openapi(InferenceService={"properties": {}})), "kind InferenceService", "drops spec.canary"),
    (put("kinds", GATEWAY_API, openapi(Gateway={})), "kind HTTPRoute", "is not served"),
    (having(kserve=Listing(items=(manager("kserve-controller:v0.19.1"),))), "KServe", "v0.19.1 has no spec.canary"),
    (having(kserve=Listing(items=(manager(available=0),))), "KServe", "none of 1 pods"),
    (having(kserve=Listing()), "KServe", "there is no Deployment"),
    (told("KANARYA_ROLLOUT_KSERVE_OWN_ROUTES", "false"), "KServe's routes", "is told that KServe makes none"),
    (put("gateways", GATEWAY, Answer()), f"Gateway {GATEWAY}", "is not there"),
    (put("gateways", GATEWAY, Answer(document=UNPROGRAMMED)), f"Gateway {GATEWAY}", "is not Programmed: Because"),
    (altered("controllers", "status", {"availableReplicas": 1}), "controller kanarya/rollout", "1 of 2 pods"),
    (altered("controllers", "spec.replicas", 0), "controller kanarya/rollout", "scaled to 0"),
    (put("leases", LEASE, Answer()), f"Lease {LEASE}", "nobody leads"),
    (put("leases", LEASE, Answer(document=OLD_LEASE)), f"Lease {LEASE}", "pod-1 has not renewed it for 180 s"),
    (
        put("accounts", LEASE, granted(but="patch httproutes.gateway.networking.k8s.io")),
        f"rights of {LEASE}",
        "patch httproutes",
    ),
    (having(person=dict.fromkeys(controller.rights_of_a_person(["default"]), False)), "your rights", "patch modelrollouts"),
    (put("services", MLFLOW, Answer()), "MLflow", "there is no Service kanarya/platform-mlflow:5000"),
    (put("pages", HEALTH, Answer(failed="503: no endpoints")), "MLflow", "does not answer: 503: no endpoints"),
    (put("pages", HEALTH, Answer()), "MLflow", "answers 404"),
    (put("pages", (MINIO, "/minio/health/ready"), Answer(failed="503")), "MinIO", "does not answer"),
    (put("pages", ARTIFACTS, Answer(failed="500: NoSuchBucket")), "bucket", "cannot list s3://mlflow/artifacts"),
    (told("KANARYA_ROLLOUT_ARTIFACTS_ROOT", "s3://other"), "artifacts root", "fetch them from s3://other"),
    (put("pages", (PROMETHEUS, "/-/ready"), Answer(failed="503")), "Prometheus", "does not answer"),
    (put("scraped", PROMETHEUS, samples("2")), "scrape of default/iris", "no counters of v1"),
    (put("rollouts", "default/iris", rollout()), "ModelRollout default/iris", "has not looked at it yet"),
    (put("rollouts", "default/iris", serving(conditions=[DEGRADED])), "ModelRollout default/iris", "MLflow is away"),
    (put("rollouts", "default/old", "1 problem: spec.steps: unknown"), "ModelRollout default/old", "spec.steps: unknown"),
    (put("targets", "default/iris", Answer()), "InferenceService default/iris", "is not there"),
    (target("spec.transformer", {"containers": []}), "InferenceService default/iris", "it has a transformer"),
    (target("metadata.labels", {}), "InferenceService default/iris", "lacks the label"),
    (target("status", conditions(Ready="False")), "InferenceService default/iris", "is not ready: Because"),
]


def examined(change: Change = lambda seen: seen) -> list[Finding]:
    return list(examination.findings(change(healthy())))


def told_of(findings: list[Finding], state: State) -> list[Finding]:
    return [one for one in findings if one.state is state]


def test_what_the_charts_install_on_a_cluster_that_has_everything_is_fine() -> None:
    found = examined()
    assert {one.state for one in found} == {State.FINE}
    assert len({one.subject for one in found}) >= 18


@pytest.mark.parametrize(("change", "subject", "words"), FAULTS, ids=[f"{subject}: {words}" for _, subject, words in FAULTS])
def test_each_fault_is_found_alone_and_comes_with_what_to_do(change: Change, subject: str, words: str) -> None:
    (fault,) = told_of(examined(change), State.WRONG)
    assert fault.subject == subject
    assert words in fault.message
    assert fault.advice


def test_a_rollout_in_a_namespace_that_no_controller_looks_after_is_told_which_are() -> None:
    (fault,) = told_of(examined(told("KANARYA_ROLLOUT_NAMESPACES", "kanarya,models")), State.WRONG)
    assert fault.message == "no controller looks after namespace default; those are: kanarya, models"


def test_every_fault_of_an_inferenceservice_is_told_at_once() -> None:
    both = target("metadata.annotations", {"serving.kserve.io/deploymentMode": "Knative"})
    faults = told_of(examined(lambda seen: both(target("spec.transformer", {"containers": []})(seen))), State.WRONG)
    assert [fault.subject for fault in faults] == ["InferenceService default/iris"] * 2


def test_what_one_may_not_see_is_a_question_mark_and_no_fault() -> None:
    refused = Answer(denied="you may not")
    found = list(
        examination.findings(
            Seen(
                now=NOW,
                namespace="default",
                version={"gitVersion": "v1.34.4"},
                kinds=dict.fromkeys(kinds.GROUPS, refused),
                rollouts={"default/iris": serving()},
                rollouts_denied="you may not",
                controllers=Listing(items=healthy().controllers.items, denied="you may not"),
                registries=healthy().registries,
                kserve=Listing(denied="you may not"),
                targets={"default/iris": refused},
                gateways={GATEWAY: refused},
                leases={LEASE: refused},
                person=dict.fromkeys(controller.rights_of_a_person(["default"]), None),
                accounts={LEASE: dict.fromkeys(controller.rights(["default"]), None)},
                services=dict.fromkeys([MLFLOW, MINIO, PROMETHEUS], refused),
                pages=dict.fromkeys([HEALTH, ARTIFACTS, (MINIO, "/minio/health/ready"), (PROMETHEUS, "/-/ready")], refused),
            )
        )
    )
    assert told_of(found, State.WRONG) == []
    assert len(told_of(found, State.UNKNOWN)) >= 12


def test_settings_that_come_from_elsewhere_are_a_question_mark() -> None:
    nowhere = altered("controllers", "spec.template.spec.containers[0].env", [])
    found = examined(nowhere)
    assert [one.subject for one in told_of(found, State.UNKNOWN)] == ["controller kanarya/rollout"]
    assert told_of(found, State.WRONG) == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://mlflow:5000", "models/mlflow:5000"),
        ("https://mlflow.kanarya", "kanarya/mlflow:443"),
        ("http://mlflow.kanarya.svc", "kanarya/mlflow:80"),
        ("http://mlflow.kanarya.svc.cluster.local:5000/path", "kanarya/mlflow:5000"),
        ("https://mlflow.example.com", None),
        ("http://10.0.0.7:5000", None),
    ],
)
def test_an_address_is_a_service_where_a_pod_would_find_one(url: str, found: str | None) -> None:
    at = address(url, "models")
    assert (None if at is None else str(at)) == found


def test_a_host_that_may_be_outside_of_the_cluster_is_no_fault() -> None:
    outside = told("MLFLOW_TRACKING_URI", "http://mlflow.example")
    at = Address(scheme="http", service="mlflow", namespace="example", port=80, certain=False)

    def change(seen: Seen) -> Seen:
        moved = put("services", at, Answer())(outside(seen))
        return replace(moved, pages={**moved.pages, (at, "/health"): Answer(), (at, ARTIFACTS[1]): Answer()})

    assert [one.state for one in examined(change) if one.subject == "MLflow"] == [State.UNKNOWN]


def test_the_api_server_passes_requests_on_by_scheme_and_port() -> None:
    assert MLFLOW.proxy == "/api/v1/namespaces/kanarya/services/platform-mlflow:5000/proxy"
    assert replace(MLFLOW, scheme="https").proxy == "/api/v1/namespaces/kanarya/services/https:platform-mlflow:5000/proxy"


def test_a_controller_that_is_stricter_than_kserve_needs_is_fine() -> None:
    stricter = told("KANARYA_ROLLOUT_KSERVE_OWN_ROUTES", "true")
    (routes,) = [
        one
        for one in examined(lambda seen: stricter(having(kserve_settings=NO_INGRESS)(seen)))
        if one.subject == "KServe's routes"
    ]
    assert (routes.state, "does no harm" in routes.message) == (State.FINE, True)


def test_a_schema_that_keeps_everything_keeps_what_is_needed() -> None:
    keeps = {"properties": {"spec": {"x-kubernetes-preserve-unknown-fields": True}}}
    assert told_of(examined(put("kinds", KSERVE_API, openapi(InferenceService=keeps))), State.WRONG) == []


def test_the_oldest_kubernetes_is_the_one_that_the_charts_take() -> None:
    said = {yaml.safe_load(path.read_text())["kubeVersion"] for path in (ROOT / "helm").glob("*/Chart.yaml")}
    assert said == {f">={kinds.OLDEST[0]}.{kinds.OLDEST[1]}.0-0"}


def test_the_rights_that_are_looked_for_are_those_that_the_chart_gives() -> None:
    rules = rendered("rollout", "ClusterRole", "kanarya-rollout")["rules"]
    given = {
        (group, kind, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for kind in rule["resources"]
        for verb in rule["verbs"]
    }
    assert {(right.group, right.resource, right.verb) for right in controller.rights(["default"])} == given


def test_a_person_reads_a_line_a_finding_what_to_do_and_how_many_there_are() -> None:
    out = io.StringIO()
    findings = examined(put("gateways", GATEWAY, Answer()))
    Console(file=out, width=140, no_color=True).print(report.table(findings))
    text = out.getvalue()
    assert re.search(r"✗ +Gateway kserve/kserve-ingress-gateway +is not there", text)
    assert "→ make it, or name another in spec.traffic.gatewayRef" in text
    assert text.rstrip().endswith(f"{len(findings) - 1} fine, 1 wrong")
    assert {"subject", "state", "message", "advice"} == set(report.data(findings)[0])
