"""MLflow down at the start, silent, or gone half-way: a clear error in seconds, and never an alias on something half made."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import kanarya_training_job as job
from kanarya_contracts.problems import KanaryaError
from kanarya_training_job import address
from kanarya_training_job.address import PROBE_SECONDS
from kanarya_training_job.quiet_mlflow import MlflowClient, RestException

Make = Callable[..., job.Settings]
SECONDS = 60.0
"""From the break to the error, on a machine with other things to do. MLflow's own default is many minutes."""


class DoomedRoad:
    """A TCP road to a server that closes for good when a request passes that has `last` in it."""

    def __init__(self, uri: str, last: bytes) -> None:
        self.last = last
        self.target = (str(urlsplit(uri).hostname), int(urlsplit(uri).port or 80))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.closed = threading.Event()
        self.closed_at = 0.0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.closed.is_set():
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            threading.Thread(target=self._carry, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(far, near, False), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, request: bool) -> None:
        with source, sink:
            try:
                while content := source.recv(65536):
                    if request and self.last in content:
                        self.close()
                    if self.closed.is_set():
                        return
                    sink.sendall(content)
            except OSError:
                return

    def close(self) -> None:
        self.closed_at = self.closed_at or time.monotonic()
        self.closed.set()
        with suppress(OSError):  # closed already; and closing alone does not wake who waits for a connection
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def road(mlflow_uri: str) -> Iterator[Callable[[bytes], DoomedRoad]]:
    made: list[DoomedRoad] = []

    def make(last: bytes) -> DoomedRoad:
        made.append(DoomedRoad(mlflow_uri, last))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize(
    "last",
    [
        b"/api/2.0/mlflow/logged-models HTTP",
        b"/model.onnx HTTP",
        b"/model-versions/create HTTP",
        b"/model-versions/set-tag HTTP",
        b"/registered-models/alias HTTP",
    ],
)
def test_a_server_that_goes_away_is_an_error_in_seconds_and_moves_no_alias(
    settings: Make, mlflow_uri: str, road: Callable[[bytes], DoomedRoad], tmp_path: Path, last: bytes
) -> None:
    doomed = road(last)
    with pytest.raises(job.RegistryError, match=f"MLflow at {doomed.uri} did not .* Is it running"):
        job.train(settings(registry={"experiment": "outages"}), registry_uri=doomed.uri, work_dir=tmp_path)
    assert doomed.closed.is_set()
    assert time.monotonic() - doomed.closed_at < SECONDS
    client = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    with pytest.raises(RestException):
        client.get_model_version_by_alias(settings().model, "challenger")


def test_a_training_that_broke_off_is_done_again_and_not_taken_for_done(
    settings: Make, mlflow_uri: str, road: Callable[[bytes], DoomedRoad], tmp_path: Path
) -> None:
    with pytest.raises(job.RegistryError):
        job.train(settings(), registry_uri=road(b"/model-versions/set-tag HTTP").uri, work_dir=tmp_path)
    outcome = job.train(settings(), registry_uri=mlflow_uri, work_dir=tmp_path)
    assert (outcome.trained, outcome.version) == (True, "2")


def test_a_server_that_is_down_is_said_before_anything_is_trained(settings: Make, tmp_path: Path) -> None:
    events: list[job.Event] = []
    with socket.socket() as nobody:  # bound, so that it stays nobody's, and refusing
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        with pytest.raises(job.RegistryError, match=rf"MLflow at http://127\.0\.0\.1:{port} did not answer /health"):
            job.train(settings(), registry_uri=f"http://127.0.0.1:{port}", work_dir=tmp_path, report=events.append)
    assert events == []


def test_a_server_that_accepts_and_says_nothing_is_given_up_in_seconds(
    settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PROBE_SECONDS < 5  # before this folder's patience
    monkeypatch.setattr(address, "PROBE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(job.RegistryError, match="did not answer /health"):
            job.train(settings(), registry_uri=f"http://127.0.0.1:{silent.getsockname()[1]}", work_dir=tmp_path)
        assert time.monotonic() - began < SECONDS


def test_something_else_at_the_address_is_said(settings: Make, s3_endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(job.RegistryError, match="did not answer /health: it said"):
        job.train(settings(), registry_uri=s3_endpoint, work_dir=tmp_path)


@pytest.mark.parametrize("uri", ["sqlite:///mlflow.db", "./mlruns", "http://", "http://[::1", "http://ada:s3cret@mlflow:port"])
def test_an_address_that_is_no_servers_is_refused(settings: Make, tmp_path: Path, uri: str) -> None:
    with pytest.raises(KanaryaError, match="expected http://HOST:PORT") as caught:
        job.train(settings(), registry_uri=uri, work_dir=tmp_path)
    assert "s3cret" not in str(caught.value)


def test_a_password_in_the_address_is_not_repeated(settings: Make, tmp_path: Path) -> None:
    with pytest.raises(job.RegistryError) as caught:
        job.train(settings(), registry_uri="http://ada:secret@127.0.0.1:9", work_dir=tmp_path)
    assert "secret" not in str(caught.value)
