"""The example, asked of a real model server through its address, with the contract from a registry's artifact proxy."""

import os
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kanarya_contracts.artifact import digest
from kanarya_contracts.names import CONTRACT_FILE
from kanarya_contracts.rollout import VersionRef
from kanarya_model.testing import build
from kanarya_rollout.ports import Unreachable, example
from kanarya_rollout.ports.example import Examples


class Proxy(SimpleHTTPRequestHandler):
    """Serves a folder as MLflow's artifact proxy does, which `test_mlflow_registry.py` has as a whole."""

    def translate_path(self, path):
        return super().translate_path(path.removeprefix("/api/2.0/mlflow-artifacts/artifacts"))

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """A folder with two models of mixed columns and of numbers: `1/mixed` and `1/numeric`."""
    folder = tmp_path_factory.mktemp("artifacts")
    build(folder / "1/mixed", "mixed")
    build(folder / "1/numeric", "numeric")
    return folder


@pytest.fixture(scope="module")
def registry(artifacts):
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: Proxy(*given, directory=str(artifacts)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module", params=["mixed", "numeric"])
def served(request, artifacts, tmp_path_factory):
    """A model server started as KServe starts it, from its environment: its address, and the version it should be."""
    directory = artifacts / "1" / request.param
    ref = VersionRef(
        version="8", digest=digest((directory / CONTRACT_FILE).read_bytes()), uri=f"mlflow-artifacts:/1/{request.param}"
    )
    port_file = tmp_path_factory.mktemp("server") / "port"
    environment = {"KANARYA_MODEL_NAME": "iris", "KANARYA_MODEL_VERSION": "8", "KANARYA_MODEL_DIGEST": ref.digest}
    command = [sys.executable, "-m", "kanarya_model", "serve", str(directory), "--port", "0", "--port-file", str(port_file)]
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{_port(port_file, process)}", ref
    finally:
        process.terminate()
        process.wait(60)


def _port(file: Path, process: subprocess.Popen) -> int:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.02)
    return int(file.read_text())


@pytest.fixture
def ask(monkeypatch):
    """Ask a server with a registry at some address, however slow they are."""
    monkeypatch.setattr(example, "TIMEOUT_SECONDS", 60.0)
    opened = []

    def problems(registry, address, ref, model="iris"):
        opened.append(Examples(registry))
        return opened[-1].problems(address, model, ref)

    yield problems
    for one in opened:
        one.close()


AWAY = "http://127.0.0.1:9"


def test_a_server_that_reproduces_the_example_has_no_problems(ask, served, registry):
    address, ref = served
    assert ask(registry, address, ref) == ()


def test_a_server_of_another_artifact_is_found_by_its_digest(ask, served, registry):
    address, ref = served
    other = ref.model_copy(update={"digest": digest(b"another")})
    (problem,) = ask(registry, address, other)
    assert f"serves {ref.digest}, expected {other.digest}" in problem


def test_a_contract_that_was_altered_in_the_registry_is_a_problem(ask, served, registry, artifacts):
    address, ref = served
    path = artifacts / ref.uri.removeprefix("mlflow-artifacts:/") / CONTRACT_FILE
    content = path.read_bytes()
    path.write_bytes(content + b"\n")
    try:
        (problem,) = ask(registry, address, ref)
    finally:
        path.write_bytes(content)
    assert "kanarya.json in the registry has digest" in problem


def test_while_the_registry_is_away_nothing_can_be_said(ask, served):
    address, ref = served
    with pytest.raises(Unreachable, match=r"127.0.0.1:9/.*/kanarya.json does not answer"):
        ask(AWAY, address, ref)


def test_a_registry_that_refuses_our_login_is_no_verdict_on_the_model(ask, served):
    class Closed(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    address, ref = served
    with ThreadingHTTPServer(("127.0.0.1", 0), Closed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Unreachable, match=r"the registry at .* answered 401"):
            ask(f"http://127.0.0.1:{server.server_address[1]}", address, ref)
        server.shutdown()


def test_an_artifact_without_contract_in_the_registry_is_a_problem(ask, served, registry):
    address, ref = served
    (problem,) = ask(registry, address, ref.model_copy(update={"uri": "mlflow-artifacts:/1/gone"}))
    assert problem == "the registry has no kanarya.json under mlflow-artifacts:/1/gone"


def test_while_the_server_is_away_nothing_can_be_said(ask, registry, served):
    with pytest.raises(Unreachable, match=r"127.0.0.1:9/v2/models/iris does not answer"):
        ask(registry, AWAY, served[1])


def test_an_artifact_in_s3_is_held_to_its_digest_alone(ask, served):
    address, ref = served
    direct = ref.model_copy(update={"uri": "s3://bucket/8"})
    assert ask(AWAY, address, direct) == ()


@pytest.mark.parametrize(
    ("code", "body"),
    [
        (404, b""),
        (404, b"default backend - 404"),
        (403, b'{"message": "RBAC"}'),
        (500, b"upstream"),
        (503, b'{"error": "full"}'),
        (200, b"<html>"),
    ],
)
def test_what_does_not_answer_as_a_model_server_does_is_no_verdict_on_a_version(ask, registry, served, code, body):
    class Another(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Another) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(Unreachable, match=f"/v2/models/iris answered {code} and not as the model server does"):
            ask(registry, f"http://127.0.0.1:{server.server_address[1]}", served[1])
        server.shutdown()


def test_a_server_without_that_model_is_a_problem(ask, served, registry):
    (problem,) = ask(registry, served[0], served[1], "rose")
    assert "/v2/models/rose answered 404" in problem
