"""Our server as a process, for clients that live in another environment than it may.

Every client's messages are named `inference.…`, and a process can hold one such set: hence a run of pytest for each of them.
KANARYA_PYTHON is the Python that has `kanarya_model`, where it is not the one that runs the tests.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PYTHON = os.environ.get("KANARYA_PYTHON", sys.executable)
START_SECONDS = 60
_BUILD = "import pathlib, sys; from kanarya_model.testing import build; build(pathlib.Path(sys.argv[1]), sys.argv[2])"


class Server:
    """Where it listens."""

    def __init__(self, port, grpc_port):
        self.http = f"127.0.0.1:{port}"
        self.grpc = f"127.0.0.1:{grpc_port}"


@pytest.fixture(scope="session", params=["numeric", "mixed"])
def kind(request):
    return request.param


@pytest.fixture(scope="session")
def server(kind, tmp_path_factory):
    """`iris`, version 7: four columns of numbers, or three and a word."""
    directory = tmp_path_factory.mktemp(kind)
    subprocess.run([PYTHON, "-c", _BUILD, directory / "iris", kind], check=True, timeout=60)
    with _serving(directory, directory / "iris", "--version", "7") as server:
        yield server


@pytest.fixture
def repository(tmp_path):
    """A directory with versions 7 and 8 of `iris`, whose server may be asked to load and unload."""
    for version in "78":
        subprocess.run([PYTHON, "-c", _BUILD, tmp_path / "models/iris" / version, "numeric"], check=True, timeout=60)
    with _serving(tmp_path, "--repository", tmp_path / "models", "--repository-control") as server:
        yield server


@contextmanager
def _serving(directory: Path, *arguments: str | Path) -> Iterator[Server]:
    ports = [directory / name for name in ("port", "grpc")]
    command = [PYTHON, "-m", "kanarya_model", "serve", *arguments, "--port", "0", "--grpc-port", "0"]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([*command, "--port-file", ports[0], "--grpc-port-file", ports[1]], stdout=log, stderr=log)
    try:
        _wait(process, ports[0], directory / "log")
        yield Server(*(int(port.read_text()) for port in ports))
        assert "Traceback" not in (directory / "log").read_text()
    finally:
        process.terminate()
        assert process.wait(20) == 0


def _wait(process: "subprocess.Popen[bytes]", port: Path, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not port.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def columns(kind):
    """Name → datatype and values, of a setosa and a virginica."""
    numbers = {"sepal_length": [5.1, 6.3], "sepal_width": [3.5, 3.3], "petal_length": [1.4, 6.0]}
    last = ("petal_width", ("FP64", [0.2, 2.5])) if kind == "numeric" else ("garden", ("BYTES", ["north", "south"]))
    return {name: ("FP64", values) for name, values in numbers.items()} | dict([last])
