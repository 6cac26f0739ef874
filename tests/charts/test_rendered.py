"""What every chart makes, as it lies in manifests/rendered: the rules that hold for all pods, whatever the chart."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHARTS = sorted(path.parent for path in ROOT.glob("helm/*/Chart.yaml"))
CONTROLLER = "kanarya-rollout"


def documents() -> list[dict[str, Any]]:
    files = sorted(ROOT.glob("manifests/rendered/*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text(encoding="utf-8")) if one]


DOCUMENTS = documents()


def pods() -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
    """Owner → labels and spec of its pods."""
    found = {}
    for one in DOCUMENTS:
        name = f"{one['kind']}/{one['metadata']['name']}"
        template = one.get("spec", {}).get("template")
        if one["kind"] == "CronJob":
            template = one["spec"]["jobTemplate"]["spec"]["template"]
        if template and "containers" in template["spec"]:
            claims = [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]
            volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
            spec = template["spec"] | {"volumes": [*template["spec"].get("volumes", []), *volumes]}
            found[name] = (template["metadata"]["labels"], spec)
    return found


PODS = pods()


def containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def test_every_chart_is_rendered() -> None:
    assert {path.stem for path in ROOT.glob("manifests/rendered/*.yaml")} == {chart.name for chart in CHARTS}
    assert PODS


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_helpers_are_the_same_in_every_chart(chart: Path) -> None:
    first = CHARTS[0] / "templates/_kanarya.tpl"
    assert (chart / "templates/_kanarya.tpl").read_bytes() == first.read_bytes()


@pytest.mark.parametrize("owner", PODS)
def test_a_namespace_that_enforces_restricted_admits_every_pod(owner: str) -> None:
    _, spec = PODS[owner]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
    for volume in spec.get("volumes", []):
        assert volume.keys() - {"name"} <= {"emptyDir", "configMap", "secret", "projected", "persistentVolumeClaim"}
    for one in containers(spec):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.xdist_group("apiserver")
def test_a_pod_that_kserve_makes_is_admitted_there_too(apiserver: Any) -> None:
    kinds = {one["kind"]: one["spec"] for one in DOCUMENTS if one["apiVersion"].startswith("serving.kserve.io")}
    predictor = kinds["InferenceService"]["predictor"]
    runtime = {key: kinds["ServingRuntime"][key] for key in ("containers", "volumes")}
    fetch = kinds["ClusterStorageContainer"]["container"]
    assert predictor["storageContainerName"] == "kanarya"
    spec = {"securityContext": predictor["securityContext"], "initContainers": [fetch], **runtime}
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    apiserver.call("POST", "/api/v1/namespaces", {"metadata": {"name": "restricted", "labels": labels}})
    pod = {"metadata": {"name": "one"}, "spec": spec}
    said = apiserver.call("POST", "/api/v1/namespaces/restricted/pods?dryRun=All&fieldValidation=Strict", pod)
    assert said["kind"] == "Pod", said["message"]


@pytest.mark.xdist_group("apiserver")
@pytest.mark.parametrize("owner", PODS)
def test_the_api_server_itself_admits_every_pod_where_restricted_is_enforced(apiserver: Any, owner: str) -> None:
    name = "restricted"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    apiserver.call("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    pod = {"metadata": {"name": "one"}, "spec": PODS[owner][1]}
    said = apiserver.call("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All&fieldValidation=Strict", pod)
    assert said["kind"] == "Pod", said["message"]
    naked = {"metadata": {"name": "two"}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
    assert "violates PodSecurity" in apiserver.call("POST", f"/api/v1/namespaces/{name}/pods?dryRun=All", naked)["message"]


@pytest.mark.parametrize("owner", PODS)
def test_the_controller_alone_may_talk_to_the_api_server(owner: str) -> None:
    labels, spec = PODS[owner]
    assert spec["automountServiceAccountToken"] is (labels["app.kubernetes.io/name"] == CONTROLLER)
    assert spec["enableServiceLinks"] is False


@pytest.mark.parametrize("owner", PODS)
def test_every_container_says_what_it_needs_and_which_image_it_is(owner: str) -> None:
    _, spec = PODS[owner]
    for one in containers(spec):
        assert one["resources"]["requests"].keys() >= {"cpu", "memory"}
        assert "memory" in one["resources"]["limits"]
        registry, _, rest = one["image"].partition("/")
        assert registry in {"docker.io", "ghcr.io", "quay.io"}
        assert "@sha256:" in rest or rest.rpartition(":")[2] not in {"", "latest", rest}


@pytest.mark.parametrize("owner", [owner for owner in PODS if not owner.split("/", 1)[0].endswith("Job")])
def test_every_server_says_when_it_is_ready_and_runs_apart_from_its_twins(owner: str) -> None:
    _, spec = PODS[owner]
    assert spec["topologySpreadConstraints"]
    for one in spec["containers"]:
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= one.keys()


@pytest.mark.parametrize("owner", PODS)
def test_a_network_policy_is_about_every_pod(owner: str) -> None:
    labels, _ = PODS[owner]
    policies = [one["spec"] for one in DOCUMENTS if one["kind"] == "NetworkPolicy"]
    about = [one for one in policies if one["podSelector"]["matchLabels"].items() <= labels.items()]
    assert any(set(one["policyTypes"]) == {"Ingress", "Egress"} for one in about)


def test_no_credential_is_written_down() -> None:
    secrets = [one for one in DOCUMENTS if one["kind"] == "Secret"]
    texts = [pair for one in secrets for pair in (one.get("stringData", {}) | one.get("data", {})).items()]
    assert {text for key, text in texts if is_secret(key)} <= {"made up at installation"}
    variables = [env for _, spec in PODS.values() for one in containers(spec) for env in one.get("env", [])]
    assert [env for env in variables if is_secret(env["name"]) and "valueFrom" not in env] == []


def is_secret(name: str) -> bool:
    return any(word in name.upper() for word in ("PASSWORD", "SECRET", "ACCESS_KEY"))


def test_the_plain_configuration_is_one_that_prometheus_takes(tool: Callable[[str], str], tmp_path: Path) -> None:
    [made] = [one for one in DOCUMENTS if one["metadata"]["name"] == "monitoring-prometheus"]
    for name, text in made["data"].items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    configuration = yaml.safe_load(made["data"]["prometheus.yml"])
    jobs = {one["job_name"]: one.pop("kubernetes_sd_configs") for one in configuration["scrape_configs"]}
    assert jobs == {key: [{"role": "pod"}] for key in ["kanarya-mlflow", "kanarya-model", "kanarya-rollout"]}
    # Debian's promtool is built without discovery in Kubernetes; it checks everything else.
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
    command = [tool("promtool"), "check", "config", "--syntax-only", tmp_path / "prometheus.yml"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
