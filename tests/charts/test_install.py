"""Charts installed, upgraded and uninstalled on a real kube-apiserver: what helm asks of it, what it keeps, what it leaves."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("apiserver")  # one server, on one worker

ROOT = Path(__file__).resolve().parents[2]
Helm = Callable[..., str]


@pytest.fixture
def helm(apiserver: Any, tool: Callable[[str], str]) -> Helm:
    """`helm("install", "platform", …)` in namespace kanarya."""

    def run(verb: str, *arguments: str | Path) -> str:
        command = [tool("helm"), "--kubeconfig", apiserver.kubeconfig, "--namespace", "kanarya", verb, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def secret(api: Any, name: str) -> dict[str, str]:
    data = api.call("GET", f"/api/v1/namespaces/kanarya/secrets/{name}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def test_credentials_are_made_once_and_outlive_upgrades_and_the_release(helm: Helm, apiserver: Any) -> None:
    chart = ROOT / "helm/platform"
    notes = helm("install", "platform", chart, "--create-namespace")
    assert "helm install rollout helm/rollout -n kanarya" in notes
    database, store = secret(apiserver, "platform-postgresql"), secret(apiserver, "platform-s3")
    assert len(database["password"]) == 32
    assert not any(word in notes for word in (database["password"], store["AWS_SECRET_ACCESS_KEY"]))

    helm("upgrade", "platform", chart, "--set", "mlflow.allowedHosts={mlflow.example.com}")
    assert (secret(apiserver, "platform-postgresql"), secret(apiserver, "platform-s3")) == (database, store)

    helm("uninstall", "platform")
    left = [one["metadata"]["name"] for one in apiserver.call("GET", "/api/v1/namespaces/kanarya/secrets")["items"]]
    assert sorted(left) == ["platform-postgresql", "platform-s3"]

    helm("install", "platform", chart)
    assert secret(apiserver, "platform-postgresql") == database
    helm("uninstall", "platform")


ALLOWED = [
    ("list", "kanarya.dev", "modelrollouts", ""),
    ("get", "kanarya.dev", "modelrollouts", ""),
    ("update", "kanarya.dev", "modelrollouts", "status"),
    ("get", "serving.kserve.io", "inferenceservices", ""),
    ("update", "serving.kserve.io", "inferenceservices", ""),
    ("get", "gateway.networking.k8s.io", "httproutes", ""),
    ("patch", "gateway.networking.k8s.io", "httproutes", ""),
    ("create", "gateway.networking.k8s.io", "httproutes", ""),
    ("list", "apps", "deployments", ""),
    ("list", "", "pods", ""),
    ("create", "", "events", ""),
    ("patch", "", "events", ""),
]
REFUSED = [
    ("get", "", "secrets", ""),
    ("list", "", "secrets", ""),
    ("create", "", "pods", ""),
    ("delete", "", "pods", ""),
    ("create", "", "pods", "exec"),
    ("update", "kanarya.dev", "modelrollouts", ""),
    ("delete", "serving.kserve.io", "inferenceservices", ""),
    ("create", "serving.kserve.io", "inferenceservices", ""),
    ("update", "apps", "deployments", ""),
    ("create", "rbac.authorization.k8s.io", "rolebindings", ""),
]


def may(api: Any, namespace: str, what: tuple[str, str, str, str], name: str = "") -> bool:
    """Whether the controller's account is allowed that; with any object, or with the one of that name."""
    verb, group, resource, part = what
    attributes = {"namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": part, "name": name}
    review = {"user": "system:serviceaccount:kanarya:rollout", "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": review}
    return bool(api.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body)["status"]["allowed"])


@pytest.mark.parametrize("namespaces", [[], ["models"]], ids=["every namespace", "one namespace"])
def test_the_controller_is_allowed_what_it_does_and_nothing_else(helm: Helm, apiserver: Any, namespaces: list[str]) -> None:
    for name in ("models", "kserve"):
        apiserver.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    chart = ROOT / "helm/rollout"
    without_kserve = ["--skip-crds", "--set", "kserve.storageContainer.enabled=false"]
    chosen = ["--set-json", f"namespaces={json.dumps(namespaces)}"]
    helm("install", "rollout", chart, "--create-namespace", *without_kserve, *chosen)
    config = ("get", "", "configmaps", "")
    lease = ("create", "coordination.k8s.io", "leases", "")
    assert [what for what in ALLOWED if not may(apiserver, "models", what)] == []
    assert [what for what in REFUSED if may(apiserver, "models", what)] == []
    assert may(apiserver, "kserve", config, "inferenceservice-config")
    assert not any(may(apiserver, "kserve", (verb, *config[1:]), "other") for verb in ("get", "list", "update"))
    assert may(apiserver, "kanarya", lease)
    assert not may(apiserver, "models", lease)
    assert may(apiserver, "elsewhere", ALLOWED[0]) is not bool(namespaces)
    helm("uninstall", "rollout")


def test_a_training_that_has_not_changed_is_not_run_again(helm: Helm, apiserver: Any) -> None:
    chart, jobs = ROOT / "helm/training-job", "/apis/batch/v1/namespaces/kanarya/jobs"
    helm("install", "iris", chart, "--create-namespace")
    [first] = apiserver.call("GET", jobs)["items"]
    helm("upgrade", "iris", chart)
    [same] = apiserver.call("GET", jobs)["items"]
    assert same["metadata"]["uid"] == first["metadata"]["uid"]
    helm("upgrade", "iris", chart, "--set", "config.seed=1")
    names = {
        one["metadata"]["name"] for one in apiserver.call("GET", jobs)["items"] if "deletionTimestamp" not in one["metadata"]
    }
    assert len(names) == 1
    assert names != {first["metadata"]["name"]}
    helm("uninstall", "iris")


def test_monitoring_without_an_operator_needs_none(helm: Helm, apiserver: Any) -> None:
    notes = helm("install", "monitoring", ROOT / "helm/monitoring", "--create-namespace")
    assert "no Prometheus operator" in notes
    made = apiserver.call("GET", "/api/v1/namespaces/kanarya/configmaps/monitoring-prometheus")["data"]
    assert {"prometheus.yml", "rules-recording.yaml", "rules-rollout.yaml"} <= made.keys()
    helm("uninstall", "monitoring")
