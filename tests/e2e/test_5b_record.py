"""Every decision of the chapters before is on record in the bucket, whole as far as status and registry know its end."""

import json
import os
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from typing import Any

from e2e_kube import eventually


def test_the_record_of_decisions_lies_in_the_bucket_whole_and_says_who_decided(kube: Any, report: Any, calm: str) -> None:
    before = kube.rollout().status.audit.sequence if kube.rollout().status.audit else 0
    for verb in ("pause", "resume"):
        asked = kube.rollout().status.last_request_id
        kube.ask("iris", verb)
        eventually(lambda asked=asked: kube.rollout().status.last_request_id != asked, f"{verb} is answered", seconds=30)
    eventually(lambda: kept(kube.rollout().status.audit, before + 2), "both are in the bucket", seconds=60)

    found = audited(kube)
    records = found["chains"][-1]["records"]
    asked_by_people = [one["request"]["verb"] for one in records if one.get("request")]
    decided = Counter(one["reason"] for record in records for one in record["decided"])
    report.add(record={"records": len(records), "faults": found["notes"], "decided": dict(decided)})
    assert (found["whole"], found["notes"]) == (True, [])
    assert asked_by_people[-2:] == ["pause", "resume"]
    for record in records:
        if any(one["reason"] == "GateRefused" for one in record["decided"]):
            assert "Failed" in {one["verdict"] for one in record["gates"]}


def kept(audit: Any, sequence: int) -> bool:
    return audit is not None and audit.sequence >= sequence and not audit.pending


def audited(kube: Any) -> Any:
    """What `kanarya audit` says to a program, asked as somebody outside of the cluster asks it."""
    key = {name: b64decode(value).decode() for name, value in kube.get("secret", "platform-s3")["data"].items()}
    with kube.reach("platform-minio", 9000) as minio, kube.reach("platform-mlflow", 5000) as mlflow:
        environment = {**os.environ, **key, "AWS_ENDPOINT_URL": minio, "MLFLOW_TRACKING_URI": mlflow}
        command = [sys.executable, "-m", "kanarya_cli", "audit", "iris", "-n", kube.namespace, "-o", "json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
