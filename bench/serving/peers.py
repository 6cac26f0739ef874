"""The servers that are compared, each a process pinned to the same core. `roster` knows them by name."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench.figures import ROOT
from bench.serving.load import cores
from kanarya_model.testing import build

SERVERS = "bench/serving/servers"
READY_SECONDS = 120
PORTS = 4
"""Neighbouring ones that a peer may take: MLServer wants three."""


@dataclass(kw_only=True)
class Peer:
    name: str
    python: Path
    arguments: list[str]
    """With PORT where the port goes, GRPC where gRPC's does."""
    distributions: tuple[str, ...]
    grpc: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    """What it is told besides."""
    url: str = ""
    grpc_address: str = ""
    starts: list[float] = field(default_factory=list)
    """Seconds from the process's start to its first readiness, a start each."""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, log: Path) -> None:
        port = _free_ports(PORTS)
        self.url, self.grpc_address = f"http://127.0.0.1:{port}", f"127.0.0.1:{port + 1}"
        command = ["taskset", "-c", str(cores()[0]), str(self.python), *self.arguments]
        command = [part.replace("PORT", str(port)).replace("GRPC", str(port + 1)) for part in command]
        began = time.monotonic()
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env={**os.environ, **self.environment}
            )
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                sys.exit(f"bench: {self.name} did not get ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        self.starts.append(time.monotonic() - began)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/models/iris/ready", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def resident_mb(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Used so far, by its own account: what another process does on the same core is not in it."""
        assert self.process is not None
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def versions(self) -> dict[str, str]:
        program = "import sys, importlib.metadata as m; print(*[m.version(name) for name in sys.argv[1:]])"
        done = subprocess.run([self.python, "-c", program, *self.distributions], capture_output=True, text=True, check=True)
        return dict(zip(self.distributions, done.stdout.split(), strict=True))

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


def roster(scratch: Path) -> dict[str, Peer]:
    """Every server by name. Our artifacts are written to `scratch`."""
    logistic, forest, skops = (build(scratch / kind, kind) for kind in ("numeric", "forest-onnx", "forest"))
    peers = [
        kanarya("kanarya", logistic),
        kanarya("kanarya forest", forest),
        kanarya("kanarya forest skops", skops),
        kanarya("kanarya gRPC", logistic, "--grpc-port", "GRPC"),
        kanarya("kanarya uncounted", logistic, module=False),
        _kserve("KServe", "numeric"),
        _kserve("KServe forest", "forest"),
        _kserve("KServe gRPC", "numeric", grpc=True),
        Peer(
            name="MLServer",
            python=ROOT / ".venv-mlserver/bin/python",
            arguments=[f"{SERVERS}/mlserver_server.py", "numeric", "PORT"],
            distributions=("mlserver", "mlserver-sklearn", "scikit-learn", "uvicorn", "fastapi"),
        ),
        Peer(
            name="FastAPI",
            python=ROOT / ".venv-bench/bin/python",
            arguments=[f"{SERVERS}/fastapi_server.py", "numeric", "PORT"],
            distributions=("fastapi", "pydantic", "scikit-learn", "uvicorn"),
        ),
        Peer(
            name="bare ASGI",
            python=ROOT / ".venv/bin/python",
            arguments=[f"{SERVERS}/asgi_server.py", str(logistic / "model.onnx"), "PORT"],
            distributions=("uvicorn", "onnxruntime", "orjson", "numpy"),
        ),
        Peer(
            name="bare ASGI forest",
            python=ROOT / ".venv/bin/python",
            arguments=[f"{SERVERS}/asgi_server.py", str(forest / "model.onnx"), "PORT"],
            distributions=("uvicorn", "onnxruntime", "orjson", "numpy"),
        ),
        Peer(
            name="bare gRPC",
            python=ROOT / ".venv/bin/python",
            arguments=[f"{SERVERS}/grpc_server.py", str(logistic / "model.onnx"), "PORT", "GRPC"],
            distributions=("grpcio", "onnxruntime", "numpy"),
            grpc=True,
        ),
    ]
    return {peer.name: peer for peer in peers}


def kanarya(name: str, artifact: Path, *flags: str, module: bool = True, **environment: str) -> Peer:
    """Ours, with these flags. `module`: as a user starts it, and not without its counters."""
    program = ["-m", "kanarya_model"] if module else [f"{SERVERS}/uncounted.py"]
    return Peer(
        name=name,
        python=ROOT / ".venv/bin/python",
        arguments=[*program, "serve", str(artifact), "--version", "1", "--port", "PORT", "--drain-seconds", "0", *flags],
        distributions=("kanarya-model", "onnxruntime", "uvicorn", "numpy"),
        grpc="--grpc-port" in flags,
        environment=environment,
    )


def _kserve(name: str, kind: str, *, grpc: bool = False) -> Peer:
    return Peer(
        name=name,
        python=ROOT / ".venv-bench/bin/python",
        arguments=[f"{SERVERS}/kserve_server.py", kind, "PORT", *(["GRPC"] if grpc else [])],
        distributions=("kserve", "scikit-learn", "uvicorn", "fastapi"),
        grpc=grpc,
    )


def _free_ports(count: int) -> int:
    """The first of so many neighbours that nobody listens on."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        if first + count < 65536 and all(_is_free(port) for port in range(first, first + count)):
            return first
    sys.exit("bench: no free ports were found")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
