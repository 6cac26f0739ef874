"""Installed with helm where `restricted` is enforced: every pod is ready, the Job trained, the gateway serves version 1."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

Get = Callable[..., Any]

GATEWAY, HOST = "http://127.0.0.1:8080", "iris.example.com"
ROWS = Path(__file__).parents[2] / "data/iris.csv"
COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")


def test_every_pod_is_ready_where_restricted_is_enforced(get: Get) -> None:
    _eventually(lambda: get("modelrollout", "iris")["status"]["stable"]["version"] == "1", "version 1 is champion")

    def unready() -> list[str]:
        return [pod["metadata"]["name"] for pod in get("pods") if not _ready(pod)]

    _eventually(lambda: not unready(), "every pod is ready or has ended well")


def test_no_pod_runs_as_root_or_writes_to_its_image(get: Get) -> None:
    for pod in get("pods"):
        name, spec = pod["metadata"]["name"], pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in spec["containers"]), name


def test_the_training_ran_as_a_pod_and_its_result_is_read_with_kubectl(get: Get) -> None:
    (job,) = get("jobs", "-l", "app.kubernetes.io/instance=iris-1")

    assert job["status"]["succeeded"] == 1
    (pod,) = get("pods", "-l", f"job-name={job['metadata']['name']}")
    message = pod["status"]["containerStatuses"][0]["state"]["terminated"].get("message", "")
    assert '"version": "1"' in message


def test_version_1_answers_every_row_through_the_gateway(get: Get, report: dict[str, Any]) -> None:
    with ROWS.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    right = 0

    with httpx.Client(base_url=GATEWAY, headers={"Host": HOST}, timeout=10) as client:
        for row in rows:
            answer = client.post("/v2/models/iris/infer", json=_request(row))
            assert answer.status_code == 200, answer.text
            body = answer.json()
            assert body["model_version"] == "1"
            right += body["outputs"][0]["data"] == [row["species"]]

    report["first-version"] = {"requests": len(rows), "right": right}
    assert right / len(rows) > 0.9


def _request(row: dict[str, str]) -> dict[str, Any]:
    data = [float(row[column]) for column in COLUMNS]
    return {"inputs": [{"name": "X", "shape": [1, len(data)], "datatype": "FP64", "data": data}]}


def _ready(pod: dict[str, Any]) -> bool:
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return pod["status"]["phase"] == "Succeeded" or conditions.get("Ready") == "True"


def _eventually(holds: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except KeyError:
            pass  # a status that is not written yet
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
