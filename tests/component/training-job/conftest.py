"""A real MLflow server and a real S3 endpoint on loopback, each started once for this folder's tests."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

import kanarya_training_job as job
from kanarya_cli.local.ports import claim
from kanarya_training_job import address

ROOT = Path(__file__).parents[3]
START_SECONDS = 180
STARTED: list[subprocess.Popen[bytes]] = []  # kept, because a dropped Popen warns of a process that still runs


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """MLflow's server: SQLite, proxied artifacts on disk, one worker. One for all of pytest's workers; the last ends it."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "mlflow"
    directory.mkdir(exist_ok=True)
    with shared(directory) as server:
        if not server:
            server.update(start(directory))
        server["users"] += 1
    yield server["uri"]
    with shared(directory) as server:
        server["users"] -= 1
        if not server["users"]:
            os.killpg(server["pid"], signal.SIGTERM)


@contextmanager
def shared(directory: Path) -> Iterator[dict[str, Any]]:
    """What the workers know of the server, to read and to change while nobody else does."""
    with (directory / "shared.json").open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        known: dict[str, Any] = json.loads(file.read() or "{}")
        yield known
        file.seek(0)
        file.truncate()
        file.write(json.dumps(known))


def start(directory: Path) -> dict[str, Any]:
    uri = f"http://127.0.0.1:{(port := claim(0, purpose='a test', option='-'))}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{directory}/mlflow.db", "--artifacts-destination", str(directory / "artifacts")),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    STARTED.append(server)
    wait_until_healthy(uri, server, directory / "log")
    return {"uri": uri, "pid": server.pid, "users": 0}


def wait_until_healthy(uri: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{uri}/health", timeout=1).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"MLflow did not start:\n{log.read_text()}")


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3 endpoint over HTTP with one bucket, `data`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of that endpoint, which the environment points at as a Job's would."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="data")
    yield client
    client.close()


@pytest.fixture
def settings() -> Callable[..., job.Settings]:
    """Settings of a small search, under a model name of the test's own."""
    name = f"m-{uuid.uuid4().hex[:12]}"

    def make(**changes: Any) -> job.Settings:
        document: dict[str, Any] = {
            "model": name,
            "data": {"source": str(ROOT / "data" / "iris.csv")},
            "target": "species",
            "metrics": ["accuracy"],
            "split": {"test": 0.3},
            "search": {"folds": 2, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [3]}}]},
        }
        return job.Settings.model_validate(document | changes)

    return make


@pytest.fixture
def worse() -> dict[str, Any]:
    """What makes a tree worse: one cut tells two species of three apart at most."""
    return {"search": {"folds": 2, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [1]}}]}}


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is slow is none that is away, here."""
    monkeypatch.setattr(address, "PROBE_SECONDS", 60.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


@pytest.fixture(autouse=True)
def revision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an image has it; a checkout asks git."""
    monkeypatch.setenv("KANARYA_CODE_REVISION", "0123456")


@pytest.fixture
def iris() -> Path:
    """The real rows."""
    return ROOT / "data" / "iris.csv"


@pytest.fixture
def make_settings(iris: Path) -> Callable[..., job.Settings]:
    """Settings of the smallest search, with what a test wants to be otherwise."""

    def make(**changes: Any) -> job.Settings:
        document: dict[str, Any] = {
            "model": "iris",
            "data": {"source": str(iris)},
            "target": "species",
            "search": {"folds": 3, "candidates": [{"family": "decision-tree", "grid": {"max_depth": [3]}}]},
        }
        return job.Settings.model_validate(document | changes)

    return make
