"""Local mode as a person meets it: up, status, a version served, a controller killed, up again, down."""

import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import psutil
import pytest

from kanarya_cli.local import launch, stack
from kanarya_cli.local.ports import HOST, PortInUse
from kanarya_cli.local.store import FileStore
from kanarya_contracts.artifact import digest
from kanarya_contracts.names import ALIAS_STABLE, CONTRACT_FILE, TAG_DIGEST
from kanarya_contracts.problems import KanaryaError
from kanarya_model.testing import build

IRIS = Path(__file__).parents[3] / "manifests" / "iris"


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    stack.down(tmp_path / "state", report=lambda _: None)


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=60.0)


def eventually(holds: Callable[[], object], *, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


class Healthy(BaseHTTPRequestHandler):
    """A registry that is well and knows nothing."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[str]:
    with ThreadingHTTPServer((HOST, 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def up(state: Path, registry: str | None = None, **ports: int) -> stack.Addresses:
    chosen = stack.Ports(**{"gateway": 0, "registry": 0, "admin": 0, **ports})
    return stack.up(state, [IRIS], ports=chosen, registry=registry, report=lambda _: None)


def pids(state: Path) -> dict[str, int | None]:
    return {process.name: process.pid for process in stack.status(state).processes if process.running}


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE  # an orphan's last state where nothing reaps orphans
    except psutil.NoSuchProcess:
        return False


def stable(state: Path) -> str | None:
    """The champion, as the controller has written it down."""
    found = FileStore(state).get("iris")
    assert found is not None
    return found[0].status.stable and found[0].status.stable.version


def register(at: stack.Addresses, state: Path, directory: Path) -> None:
    """What training does at its end, over MLflow's REST alone: files behind the proxy, a version, its digest, the alias."""
    artifact = build(directory)
    with httpx.Client(base_url=f"{at.registry}/api/2.0/mlflow", timeout=60.0, trust_env=False) as client:
        run = client.post("/runs/create", json={"experiment_id": "0"}).raise_for_status().json()["run"]["info"]
        uri = f"{run['artifact_uri']}/model"
        shutil.copytree(artifact, stack.artifact_path(state, uri))
        client.post("/registered-models/create", json={"name": "iris"}).raise_for_status()
        tags = [{"key": TAG_DIGEST, "value": digest((artifact / CONTRACT_FILE).read_bytes())}]
        version = {"name": "iris", "source": uri, "run_id": run["run_id"], "tags": tags}
        client.post("/model-versions/create", json=version).raise_for_status()
        alias = {"name": "iris", "alias": ALIAS_STABLE, "version": "1"}
        client.post("/registered-models/alias", json=alias).raise_for_status()


def test_a_version_is_served_the_controller_may_be_killed_and_down_leaves_nothing(state: Path, tmp_path: Path) -> None:
    at = up(state)
    assert get(f"{at.gateway}/v2/models/iris").json() == {"error": "no version of iris is up yet"}
    register(at, state, tmp_path / "artifact")
    eventually(lambda: get(f"{at.gateway}/v2/models/iris").is_success)
    before = pids(state)
    assert before.keys() == {"mlflow", "envoy", "controller", "model.iris.1"}

    controller = before["controller"]
    assert controller is not None
    os.kill(controller, signal.SIGKILL)
    eventually(lambda: "controller" not in pids(state))
    assert get(f"{at.gateway}/v2/models/iris").is_success

    assert up(state) == at
    after = pids(state)
    assert {name for name in before if before[name] != after[name]} == {"controller"}
    eventually(lambda: stable(state) == "1")

    assert stack.down(state, report=lambda _: None) == ("controller", "envoy", "model.iris.1", "mlflow")
    assert not [pid for pid in {*before.values(), *after.values()} if pid is not None and lives(pid)]
    with pytest.raises(KanaryaError, match="local mode is not up"):
        stack.addresses(state)


def test_a_registry_that_runs_elsewhere_is_used_and_left_alone(state: Path, registry: str) -> None:
    at = up(state, registry)

    assert at.registry == registry
    assert pids(state).keys() == {"envoy", "controller"}
    assert set(stack.logs(state)) == {"envoy", "controller"}

    stack.down(state, report=lambda _: None)
    assert get(f"{registry}/health").is_success


def test_a_registry_that_does_not_answer_is_told_before_anything_starts(state: Path) -> None:
    with pytest.raises(KanaryaError, match=r"the registry at http://127\.0\.0\.1:1 does not answer"):
        up(state, "http://127.0.0.1:1/")

    assert pids(state) == {}


def test_a_port_in_use_is_told_before_anything_starts(state: Path, registry: str) -> None:
    with socket.create_server((HOST, 0)) as server, pytest.raises(PortInUse, match="wanted for the gateway, is in use by"):
        up(state, registry, gateway=server.getsockname()[1])

    assert pids(state) == {}
    assert stack.status(state).addresses is None


def test_what_was_started_ends_if_something_does_not_come_up(
    state: Path, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> float:
        assert pids(state)
        raise KeyboardInterrupt

    monkeypatch.setattr(launch, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        up(state, registry)

    assert pids(state) == {}
    assert stack.status(state).addresses is None


def test_one_that_ends_at_once_is_told_with_its_last_words(state: Path, registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.envoy, "bootstrap", lambda **_: {"no": "such field"})

    with pytest.raises(KanaryaError, match=r"(?s)envoy ended before it was up\. It said:.*unknown fields"):
        up(state, registry)

    assert pids(state) == {}


def test_down_where_nothing_ever_ran_stops_nothing(tmp_path: Path) -> None:
    assert stack.down(tmp_path / "never", report=lambda _: None) == ()
    assert stack.status(tmp_path / "never").processes == ()
    assert not (tmp_path / "never").exists()
