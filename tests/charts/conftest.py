"""Programs that the charts' tests run. `tests/charts/run` makes them; where they are missing, a test that needs one is skipped
with that command as the reason, unless KANARYA_CHARTS says that nothing may be."""

import json
import os
import secrets
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest

CACHE = Path(os.environ.get("KANARYA_CLUSTER_CACHE", "~/.cache/kanarya-cluster")).expanduser() / "bin"
STRICT = "KANARYA_CHARTS"
START_SECONDS = 60


def program(name: str) -> str:
    """The program's path; skips the test where there is none."""
    found = shutil.which(name, path=f"{CACHE}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None and os.environ.get(STRICT):
        pytest.fail(f"{name} is in neither {CACHE} nor PATH, and {STRICT} is set")
    if found is None:
        pytest.skip(f"needs {name}: tests/charts/run makes it")
    return found


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """`tool("helm")`: its path."""
    return program


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """A kube-apiserver that a test may write to."""

    url: str
    token: str

    def call(self, method: str, path: str, document: object = None, *, accept: str = "application/json") -> dict[str, Any]:
        """The answer, an error's Status included."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json", "Accept": accept}
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(f"{self.url}{path}", method=method, data=body, headers=headers)  # noqa: S310
        context = ssl._create_unverified_context()  # noqa: S323 (its certificate is its own, and it listens on loopback)
        try:
            with urllib.request.urlopen(request, context=context, timeout=10) as answer:  # noqa: S310
                content = answer.read()
        except HTTPError as error:
            content = error.read()
        said: dict[str, Any] = json.loads(content) if content[:1] == b"{" else {"text": content.decode()}
        return said


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """etcd and kube-apiserver, real ones, on loopback, for as long as the tests run."""
    etcd, server = program("etcd"), program("kube-apiserver")
    home = tmp_path_factory.mktemp("apiserver")
    client, peer, port, token = free_port(), free_port(), free_port(), secrets.token_hex(16)
    (home / "tokens").write_text(f'{token},tester,1,"system:masters"\n', encoding="utf-8")
    key = home / "service-account.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    commands = [
        [
            etcd,
            *("--data-dir", home / "etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", f"http://127.0.0.1:{client}", "--advertise-client-urls", f"http://127.0.0.1:{client}"),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}"),
            *("--initial-cluster", f"default=http://127.0.0.1:{peer}"),
        ],
        [
            server,
            f"--etcd-servers=http://127.0.0.1:{client}",
            *(f"--secure-port={port}", "--bind-address=127.0.0.1", f"--cert-dir={home / 'certificates'}"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={key}"),
            *(f"--service-account-signing-key-file={key}", "--service-cluster-ip-range=10.96.0.0/24"),
            *(f"--token-auth-file={home / 'tokens'}", "--authorization-mode=RBAC"),
            "--disable-admission-plugins=ServiceAccount",
        ],
    ]
    running = []
    try:
        for command in commands:
            with (home / f"{Path(command[0]).name}.log").open("wb") as log:
                running.append(subprocess.Popen(command, stdout=log, stderr=log))
        api = ApiServer(url=f"https://127.0.0.1:{port}", token=token)
        _await(api, running, home)
        yield api
    finally:
        for process in running:
            process.kill()  # nothing of it is kept, and a graceful end takes half a minute
        for process in running:
            process.wait(timeout=30)


def _await(api: ApiServer, running: list[subprocess.Popen[bytes]], home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and all(process.poll() is None for process in running):
        try:
            if api.call("GET", "/readyz").get("text") == "ok":
                return
        except (URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.2)
    last = "\n".join(log.read_text(encoding="utf-8", errors="replace")[-1500:] for log in home.glob("*.log"))
    pytest.fail(f"the API server was not ready within {START_SECONDS} s:\n{last}")
