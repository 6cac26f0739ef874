"""The servers that are compared, each a process pinned to the same core."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from load import cores

from kanarya_model.testing import Kind

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60


@dataclass(kw_only=True)
class Peer:
    name: str
    python: Path
    arguments: list[str]
    """With PORT where the port goes."""
    distributions: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    """Beside this process's own."""
    url: str = ""
    start_seconds: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self, log: Path) -> None:
        port = _free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = ["taskset", "-c", str(cores()[0]), str(self.python), *self.arguments]
        began = time.monotonic()
        with log.open("wb") as out:
            command = [part.replace("PORT", str(port)) for part in command]
            environment = {**os.environ, **self.environment}
            self.process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, env=environment)
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() - began > READY_SECONDS:
                sys.exit(f"bench: {self.name} did not get ready:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        self.start_seconds = time.monotonic() - began

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


def kanarya(artifact: Path, *more: str, name: str = "kanarya-model", **environment: str) -> Peer:
    serve = ["-m", "kanarya_model", "serve", str(artifact), "--version", "1", "--port", "PORT", "--drain-seconds", "0"]
    return Peer(
        name=name,
        python=ROOT / ".venv/bin/python",
        arguments=[*serve, *more],
        environment=environment,
        distributions=("kanarya-model", "onnxruntime", "scikit-learn", "uvicorn", "numpy"),
    )


def kserve(kind: Kind) -> Peer:
    return Peer(
        name="KServe",
        python=ROOT / ".venv-bench/bin/python",
        arguments=["bench/serving/kserve_peer.py", kind, "PORT"],
        distributions=("kserve", "scikit-learn", "uvicorn", "fastapi"),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
