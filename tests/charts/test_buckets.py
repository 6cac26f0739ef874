"""The script of the platform's init container, against an object store over HTTP."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

SCRIPT = Path(__file__).resolve().parents[2] / "helm/platform/files/buckets.py"


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    yield os.environ | keys | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    server.stop()


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_buckets_are_made_once_and_left_alone_afterwards(environment: dict[str, str], region: str) -> None:
    environment["AWS_DEFAULT_REGION"] = region
    for _ in range(2):
        subprocess.run([sys.executable, SCRIPT, "mlflow", "data"], env=environment, check=True, timeout=60)
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    assert {one["Name"] for one in client.list_buckets()["Buckets"]} >= {"data", "mlflow"}
