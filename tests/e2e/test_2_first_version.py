"""The training ran as a pod, its version serves through the gateway, and V2 answers right."""

import json
from pathlib import Path
from typing import Any

import httpx
from e2e_kube import GATEWAY, command

ROOT = Path(__file__).parents[2]
HOST = "iris.example.com"


def test_the_training_ran_as_a_pod_and_its_result_is_read_with_kubectl(kube: Any, report: Any) -> None:
    job = kube.get("job", "iris-training-job")

    assert job["status"]["succeeded"] == 1
    (pod,) = kube.get("pods", "-l", f"job-name={job['metadata']['name']}")
    result = json.loads(pod["status"]["containerStatuses"][0]["state"]["terminated"]["message"])
    report.add(training=result)
    assert result["version"] == "1"
    assert result["digest"].startswith("sha256:")
    assert result["metrics"]["holdout-accuracy"] > 0.5


def test_the_commands_of_the_readme_wait_for_the_version_and_ask_it(kube: Any) -> None:
    kube.run("wait", "modelrollout/iris", "--for=condition=Promoted", "--timeout=120s")

    said = command(
        "curl", "-sS", "--fail-with-body", "-H", f"Host: {HOST}", f"{GATEWAY}/v2/models/iris/infer",
        "-d", f"@{ROOT / 'examples/iris.json'}",
    )  # fmt: skip

    answer = json.loads(said)
    assert answer["model_name"] == "iris"
    assert answer["outputs"][0]["name"] == "label"


def test_metadata_names_the_version_and_what_it_wants(calm: str) -> None:
    answer = httpx.get(f"{GATEWAY}/v2/models/iris", headers={"Host": HOST}, timeout=10)

    assert answer.status_code == 200, answer.text
    assert answer.json()["versions"] == [calm]
    assert [one["name"] for one in answer.json()["inputs"]]


def test_a_version_is_asked_by_its_number_whatever_the_split(calm: str) -> None:
    body = json.loads((ROOT / "examples/iris.json").read_text(encoding="utf-8"))

    answer = httpx.post(f"{GATEWAY}/v2/models/iris/versions/{calm}/infer", json=body, headers={"Host": HOST}, timeout=10)

    assert answer.status_code == 200, answer.text
    assert answer.json()["model_version"] == calm


def test_a_clients_mistake_is_a_4xx_that_names_it_through_the_gateway_too(calm: str) -> None:
    body = {"inputs": [{"name": "X", "shape": [1, 4], "datatype": "FP64", "data": [5.1, 3.5, 1.4]}]}

    answer = httpx.post(f"{GATEWAY}/v2/models/iris/infer", json=body, headers={"Host": HOST}, timeout=10)

    assert answer.status_code == 400
    assert "expected 4" in answer.json()["error"]
