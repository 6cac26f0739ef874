"""Model servers as processes: verified before they start, asked their example, kept up, adopted, let go."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from kanarya_cli.local import artifacts
from kanarya_cli.local.artifacts import NotFetched, Refused
from kanarya_cli.local.ports import HOST
from kanarya_cli.local.processes import Processes
from kanarya_cli.local.scrape import ScrapedMetrics
from kanarya_cli.local.serving import LocalServing
from kanarya_contracts.artifact import digest
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.rollout import VersionRef
from kanarya_model.testing import build
from kanarya_rollout.observation import Backend
from kanarya_rollout.ports import Unreachable


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("artifacts") / "v1")


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[LocalServing]:
    found = at(tmp_path)
    yield found
    found.close()
    processes = Processes(tmp_path)
    for record in processes.all():
        processes.stop(record.name)


def at(state: Path) -> LocalServing:
    return LocalServing("iris", state=state, registry="http://127.0.0.1:1", env={"KANARYA_MODEL_DRAIN_SECONDS": "0"})


def ref(artifact: Path, version: str = "1") -> VersionRef:
    content = (artifact / CONTRACT_FILE).read_bytes()
    return VersionRef(version=version, digest=digest(content), uri=f"file://{artifact}")


def becomes(serving: LocalServing, version: str, holds: Callable[[Backend], bool]) -> Backend:
    deadline = time.monotonic() + 60.0
    while True:
        serving.keep()
        backend = serving.backends().get(version)
        if backend is not None and holds(backend):
            return backend
        assert time.monotonic() < deadline, f"it stayed {backend}"
        time.sleep(0.05)


def is_ready(backend: Backend) -> bool:
    return backend.state == "Ready"


def test_a_version_is_fetched_started_and_asked_its_example(serving: LocalServing, artifact: Path) -> None:
    serving.ensure(ref(artifact))

    assert becomes(serving, "1", is_ready).example_problems == ()


def test_a_server_is_adopted_by_the_next_controller_and_kept_up_by_it(
    serving: LocalServing, artifact: Path, tmp_path: Path
) -> None:
    serving.ensure(ref(artifact))
    becomes(serving, "1", is_ready)
    first = serving.servers()[0]

    later = at(tmp_path)
    assert becomes(later, "1", is_ready).example_problems == ()
    later.ensure(ref(artifact))
    assert later.servers() == (first,)

    os.kill(first.pid, signal.SIGKILL)
    becomes(later, "1", lambda backend: is_ready(backend) and later.servers()[0].pid != first.pid)
    later.close()


def test_counters_are_read_from_every_server_and_name_their_process(serving: LocalServing, artifact: Path) -> None:
    serving.ensure(ref(artifact), [ref(artifact, "2")])
    becomes(serving, "1", is_ready)
    becomes(serving, "2", is_ready)
    httpx.post(f"http://{HOST}:{serving.ports()['2']}/v2/models/iris/infer", content=b"no JSON", trust_env=False)

    metrics = ScrapedMetrics("iris", serving.servers, timeout=60.0)
    series = metrics.read(["1", "2"])

    requests = {one.version: one.value for one in series if one.kind == "requests"}
    assert requests == {"1": 1, "2": 1}  # the example; what a client did wrong is none
    assert len({one.source for one in series}) == 2
    assert {one.version for one in metrics.read(["2"])} == {"2"}
    metrics.close()


def test_counters_of_no_server_are_unreachable(serving: LocalServing) -> None:
    with pytest.raises(Unreachable, match="no server of iris has answered"):
        ScrapedMetrics("iris", serving.servers).read(["1"])


def test_an_altered_artifact_is_refused_and_nothing_is_started(serving: LocalServing, artifact: Path, tmp_path: Path) -> None:
    altered = tmp_path / "altered"
    altered.mkdir()
    for path in artifact.iterdir():
        (altered / path.name).write_bytes(path.read_bytes().replace(b"\x00", b"\x01", 1))
    (altered / CONTRACT_FILE).write_bytes((artifact / CONTRACT_FILE).read_bytes())

    serving.ensure(None, [ref(altered)])
    backend = becomes(serving, "1", lambda backend: backend.state == "Refused")

    assert "model.onnx: has digest" in backend.message
    assert Processes(tmp_path).all() == ()


def test_what_is_not_wanted_any_more_ends_gracefully(serving: LocalServing, artifact: Path, tmp_path: Path) -> None:
    serving.ensure(ref(artifact), [ref(artifact, "2")])
    becomes(serving, "2", is_ready)
    becomes(serving, "1", is_ready)

    serving.ensure(ref(artifact))
    deadline = time.monotonic() + 60.0
    while len(serving.servers()) > 1 or len(Processes(tmp_path).all()) > 1:
        serving.keep()
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert list(serving.backends()) == ["1"]
    assert "stopping" in Processes(tmp_path).last_lines("model.iris.2")


def test_a_registry_that_does_not_answer_is_waited_for_and_said(serving: LocalServing, artifact: Path) -> None:
    serving.ensure(ref(artifact).model_copy(update={"uri": "mlflow-artifacts:/1/models/m-1/artifacts"}))

    backend = becomes(serving, "1", lambda backend: "was not fetched" in backend.message)

    assert backend.state == "Starting"
    assert "http://127.0.0.1:1" in backend.message


class CutShort(BaseHTTPRequestHandler):
    """The registry's artifact proxy, which lists a file and ends before it has sent all of it."""

    def do_GET(self) -> None:
        base = "/api/2.0/mlflow-artifacts/artifacts"
        if self.path.startswith(f"{base}?path="):
            body = b'{"files": [{"path": "kanarya.json", "is_dir": false}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"cut short")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def proxy() -> Iterator[str]:
    with ThreadingHTTPServer((HOST, 0), CutShort) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        yield f"http://{HOST}:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_download_that_is_cut_short_says_nothing_about_the_artifact(proxy: str, tmp_path: Path) -> None:
    version = VersionRef(version="1", digest=digest(b""), uri="mlflow-artifacts:/1/a")

    with pytest.raises(NotFetched, match=r"kanarya\.json was not fetched"):
        artifacts.obtain(version, tmp_path / "into", registry=proxy)

    assert not (tmp_path / "into").exists()


def test_a_registry_without_the_artifact_has_no_contract_and_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    version = VersionRef(version="1", digest=digest(b""), uri=f"file://{tmp_path / 'empty'}")

    with pytest.raises(Refused, match=r"has no kanarya\.json"):
        artifacts.obtain(version, tmp_path / "into", registry="")
