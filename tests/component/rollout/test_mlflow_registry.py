"""The registry adapter against MLflow's own server."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from mlflow.tracking import MlflowClient

from kanarya_cli.local.ports import claim
from kanarya_contracts.names import TAG_AUDIT, TAG_DIGEST, TAG_VERDICT
from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.mlflow import FEW, MlflowRegistry
from kanarya_rollout.testing import digest


@pytest.fixture(autouse=True)
def our_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the adapter, whatever another test of this process has set; and what it sets goes with the test."""
    for name in ("TIMEOUT", "MAX_RETRIES", "BACKOFF_FACTOR", "BACKOFF_JITTER"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "0")
        monkeypatch.delenv(f"MLFLOW_HTTP_REQUEST_{name}")


SECONDS = 60.0
"""In which it is known that a server is away. Where MLflow's own defaults are, that takes four minutes and more."""


class Server:
    """MLflow's own, on a free port, with SQLite."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = claim(0, purpose="a test", option="-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def up(self) -> None:
        """Start it if it is not there, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self._port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self._folder / 'mlflow.db'}",
            "--artifacts-destination", str(self._folder / "artifacts"),
        ]  # fmt: skip
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, cwd=self._folder, start_new_session=True
            )
        deadline = time.monotonic() + 180
        while not self._answers():
            assert self._process.poll() is None, (self._folder / "log").read_text()
            assert time.monotonic() < deadline, "the server is not up after 180 s"
            time.sleep(0.2)

    def down(self, sign: signal.Signals) -> None:
        """The server and the worker it started: they are a process group of their own."""
        assert self._process is not None
        if self._process.poll() is None:
            os.killpg(self._process.pid, sign)
            self._process.wait(60)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.uri}/health", timeout=1, trust_env=False).is_success
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    yield server
    server.down(signal.SIGKILL)


@pytest.fixture
def server(one_server: Server) -> Server:
    one_server.up()  # a test may have ended it
    return one_server


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One registered model with three versions."""

    registry: MlflowRegistry
    client: MlflowClient
    model: str


@pytest.fixture
def shelf(server: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # a slow server is none that is away
    registry = MlflowRegistry(server.uri)
    client, model = MlflowClient(server.uri, server.uri), f"iris-{request.node.name[:40]}"
    client.create_registered_model(model)
    run = client.create_run("0").info
    for version in ("1", "2", "3"):
        tags = {TAG_DIGEST: digest(version)} if version != "3" else {}
        client.create_model_version(model, source=f"{run.artifact_uri}/model-{version}", run_id=run.run_id, tags=tags)
    client.set_registered_model_alias(model, "champion", "1")
    return Shelf(registry=registry, client=client, model=model)


def test_a_version_has_its_digest_its_place_and_its_tags(shelf: Shelf):
    found = shelf.registry.by_alias(shelf.model, "champion")
    assert found is not None
    assert (found.version, found.digest) == ("1", digest("1"))
    assert found.uri.startswith("mlflow-artifacts:/0/")
    assert found.uri.endswith("/artifacts/model-1")
    assert found.tags == {TAG_DIGEST: digest("1")}


def test_a_version_that_nobody_vouches_for_has_no_digest(shelf: Shelf):
    found = shelf.registry.by_version(shelf.model, "3")
    assert found is not None
    assert found.digest is None


def test_what_is_not_there_is_none_and_no_error(shelf: Shelf):
    assert shelf.registry.by_alias(shelf.model, "challenger") is None
    assert shelf.registry.by_version(shelf.model, "99") is None
    assert shelf.registry.by_alias("no-such-model", "champion") is None
    assert shelf.registry.by_version("no-such-model", "1") is None


def test_an_alias_moves_when_it_points_where_it_was_expected(shelf: Shelf):
    shelf.registry.move_alias(shelf.model, "champion", to="2", expected="1")
    found = shelf.registry.by_alias(shelf.model, "champion")
    assert found is not None
    assert found.version == "2"


def test_moving_an_alias_twice_is_moving_it_once(shelf: Shelf):
    shelf.registry.move_alias(shelf.model, "champion", to="2", expected="1")
    shelf.registry.move_alias(shelf.model, "champion", to="2", expected="1")
    found = shelf.registry.by_alias(shelf.model, "champion")
    assert found is not None
    assert found.version == "2"


def test_an_alias_that_was_moved_meanwhile_is_a_conflict_and_stays(shelf: Shelf):
    shelf.client.set_registered_model_alias(shelf.model, "champion", "3")
    with pytest.raises(Conflict, match=r"points to version 3, not to 1 as it did; it was not moved to 2"):
        shelf.registry.move_alias(shelf.model, "champion", to="2", expected="1")
    found = shelf.registry.by_alias(shelf.model, "champion")
    assert found is not None
    assert found.version == "3"


def test_an_alias_that_does_not_exist_yet_is_set(shelf: Shelf):
    shelf.registry.move_alias(shelf.model, "challenger", to="2", expected=None)
    found = shelf.registry.by_alias(shelf.model, "challenger")
    assert found is not None
    assert found.version == "2"


def test_a_removed_alias_and_a_deleted_version_are_seen(shelf: Shelf):
    shelf.client.set_registered_model_alias(shelf.model, "challenger", "2")
    shelf.client.delete_registered_model_alias(shelf.model, "challenger")
    assert shelf.registry.by_alias(shelf.model, "challenger") is None
    shelf.client.set_registered_model_alias(shelf.model, "challenger", "2")
    shelf.client.delete_model_version(shelf.model, "2")
    assert shelf.registry.by_alias(shelf.model, "challenger") is None
    assert shelf.registry.by_version(shelf.model, "2") is None


def test_of_many_models_every_alias_is_read_in_one_search_and_what_is_there_is_there(shelf: Shelf, server: Server):
    names = [f"{shelf.model}-{number}" for number in range(FEW + 1)]
    for name in names:
        shelf.client.create_registered_model(name)
    for name in (names[0], names[-1]):
        shelf.client.create_model_version(name, source="s3://models/1", tags={TAG_DIGEST: digest("1")})
        shelf.client.set_registered_model_alias(name, "champion", "1")
    now = [0.0]
    many = MlflowRegistry(server.uri, monotonic=lambda: now[0])
    with_champion = [name for name in names if many.by_alias(name, "champion") is not None]
    assert with_champion == [names[0], names[-1]]
    assert many.by_alias(names[-1], "champion").digest == digest("1")
    many.annotate(names[-1], "1", {TAG_VERDICT: "{}"})
    assert many.by_alias(names[-1], "champion").tags[TAG_VERDICT] == "{}"  # what we wrote is read at once
    shelf.client.delete_registered_model_alias(names[-1], "champion")
    now[0] = 60.0
    assert many.by_alias(names[-1], "champion") is None
    many.move_alias(names[0], "champion", to="1", expected="1")
    many.move_alias(names[0], "challenger", to="1", expected=None)
    assert many.by_alias(names[0], "challenger").version == "1"  # and what we moved
    assert many.by_alias("no-such-model", "champion") is None


def test_of_many_models_a_search_brings_the_newest_versions_and_the_others_are_asked_for_once(
    shelf: Shelf, server: Server, monkeypatch: pytest.MonkeyPatch
):
    shelf.client.set_registered_model_alias(shelf.model, "challenger", "3")
    many = MlflowRegistry(server.uri)
    for number in range(FEW):
        many.by_alias(f"no-such-model-{number}", "champion")
    asked, ask = [], MlflowClient.get_model_version
    monkeypatch.setattr(MlflowClient, "get_model_version", lambda self, *of: asked.append(of) or ask(self, *of))
    for _ in range(3):
        assert many.by_alias(shelf.model, "challenger") == shelf.registry.by_alias(shelf.model, "challenger")
        assert many.by_alias(shelf.model, "champion") == shelf.registry.by_alias(shelf.model, "champion")
    assert asked == [(shelf.model, "1")]


def test_a_verdict_is_written_on_the_version(shelf: Shelf):
    shelf.registry.annotate(shelf.model, "2", {TAG_VERDICT: '{"verdict": "Promoted"}'})
    found = shelf.registry.by_version(shelf.model, "2")
    assert found is not None
    assert found.tags[TAG_VERDICT] == '{"verdict": "Promoted"}'


def test_the_end_of_a_chain_of_decisions_is_known_to_the_model(shelf: Shelf):
    shelf.registry.annotate_model(shelf.model, {f"{TAG_AUDIT}0123456789abcdef": '{"sequence": 1}'})
    shelf.registry.annotate_model(shelf.model, {f"{TAG_AUDIT}0123456789abcdef": '{"sequence": 2}'})
    assert shelf.registry.model_tags(shelf.model) == {f"{TAG_AUDIT}0123456789abcdef": '{"sequence": 2}'}
    assert shelf.registry.model_tags("no-such-model") == {}


def test_a_write_about_a_version_that_is_gone_says_so(shelf: Shelf):
    with pytest.raises(Unreachable, match=r"could not tag version 99 of .* with kanarya\.dev/verdict"):
        shelf.registry.annotate(shelf.model, "99", {TAG_VERDICT: "{}"})


def test_a_server_that_refuses_connections_is_unreachable_within_seconds():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(Unreachable, match=rf"MLflow at http://127\.0\.0\.1:{port} did not answer"):
            MlflowRegistry(f"http://ada:secret@127.0.0.1:{port}").by_alias("iris", "champion")
    assert time.monotonic() - began < SECONDS


def test_a_server_that_accepts_and_says_nothing_is_unreachable_within_seconds():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(Unreachable):
            MlflowRegistry(f"http://127.0.0.1:{port}").by_alias("iris", "champion")
    assert time.monotonic() - began < SECONDS


def test_a_server_that_says_nothing_is_waited_for_once_by_all_models_and_asked_again_later(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    times = [0.0, 4.0]  # before and after the only call
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        silent.setblocking(False)
        registry = MlflowRegistry(
            f"http://127.0.0.1:{silent.getsockname()[1]}", monotonic=lambda: times.pop(0) if times[1:] else times[0]
        )

        def connections(models: int) -> int:
            for number in range(models):
                with pytest.raises(Unreachable, match="did not answer"):
                    registry.by_alias(f"iris-{number}", "champion")
            count = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    silent.accept()[0].close()
                    count += 1
            return count

        assert connections(1) > 0
        assert connections(2 * FEW) == 0
        times[:] = [3600.0]
        assert connections(1) > 0


def test_a_server_that_is_killed_is_unreachable_within_seconds(server: Server, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # before it is killed, it may be slow
    registry = MlflowRegistry(server.uri)
    assert registry.by_alias("no-such-model", "champion") is None
    server.down(signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(Unreachable):
        registry.by_alias("no-such-model", "champion")
    assert time.monotonic() - began < SECONDS
