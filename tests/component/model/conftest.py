"""The server as a process on loopback."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kanarya_model.testing import build

PATIENCE_SECONDS = 120
"""With a server, before it is taken to hang: a machine may be that slow, and nothing is read off it."""


class Server:
    """`kanarya-model serve`, ready."""

    def __init__(self, process: subprocess.Popen[str], port: int, grpc_port: int | None, log: Path) -> None:
        self.process = process
        self.log = log
        self.port = port
        self.grpc_port = grpc_port
        self.url = f"http://127.0.0.1:{port}"
        self.http = httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS)

    def raw(self, data: bytes, *, end: bool = False) -> bytes:
        """What comes back for these bytes on a connection of its own, until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS) as connection:
            connection.sendall(data)
            if end:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while piece := connection.recv(65536):
                received += piece
            return received

    def metric(self, name: str) -> float:
        """The sum of a metric's samples."""
        text = self.http.get("/metrics").text
        return sum(float(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal, wait, and the exit status."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "kanarya_model", *map(str, arguments)]


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A numeric ONNX model."""
    return build(tmp_path_factory.mktemp("artifact") / "iris")


def start(directory: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> Server:
    """A server with these arguments; its port and log go to `directory`."""
    number = len(list(directory.glob("log*")))
    port_file, grpc_port_file, log = (directory / f"{name}{number}" for name in ("port", "grpc", "log"))
    with log.open("w") as out:
        process = subprocess.Popen(
            command("serve", *arguments, "--port", "0", "--port-file", port_file, "--grpc-port-file", grpc_port_file),
            env={**os.environ, **(env or {})},
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        time.sleep(0.02)
    grpc_port = int(grpc_port_file.read_text()) if grpc_port_file.exists() else None
    return Server(process, int(port_file.read_text()), grpc_port, log)


@pytest.fixture(scope="session")
def starting() -> Callable[..., Server]:
    """`start`, for servers that several tests share: whoever starts one stops it."""
    return start


@pytest.fixture(scope="session")
def running(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that only send it something: version 7 of `iris`, small limits."""
    limits = ("--most-head-bytes", "2000", "--most-body-bytes", "5000", "--grpc-port", "0")
    server = start(tmp_path_factory.mktemp("running"), artifact, "--version", "7", *limits)
    yield server
    server.stop()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with these arguments. Every one is stopped at the end."""
    started: list[Server] = []

    def one(*arguments: str | Path, env: dict[str, str] | None = None) -> Server:
        started.append(start(tmp_path, *arguments, env=env))
        return started[-1]

    yield one
    for server in started:
        server.stop()


@pytest.fixture
def fails(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run `kanarya-model` to its end: exit status and last line on standard error."""

    def run(*arguments: str | Path, env: dict[str, str] | None = None) -> tuple[int, str]:
        done = subprocess.run(
            command(*arguments),
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr.splitlines()[-1]

    return run


@pytest.fixture
def credentials() -> Callable[[str], dict[str, str]]:
    """The environment that leads to an S3 endpoint."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    return lambda endpoint: {"AWS_ENDPOINT_URL": endpoint, **keys}


@pytest.fixture
def bucket(
    monkeypatch: pytest.MonkeyPatch, credentials: Callable[[str], dict[str, str]]
) -> Iterator[tuple[Any, dict[str, str]]]:
    """A real S3 endpoint over HTTP with an empty bucket; gives its client and the environment that leads to it."""
    import boto3  # noqa: PLC0415 (half a second that only these tests take)
    from moto.server import ThreadedMotoServer  # noqa: PLC0415

    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    environment = credentials(f"http://{host}:{port}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    yield client, environment
    client.close()
    moto.stop()
