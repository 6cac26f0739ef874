"""Everything but the controller, as processes: the API server over etcd, Prometheus, MLflow over SQLite, and every model server
in one. Filled with rollouts under way (`world`) before any controller starts. Used by `__main__`.
"""

import importlib.util
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType

import httpx
import psutil
import world
from mlflow.tracking import MlflowClient
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console

from kanarya_contracts.names import API_VERSION, TAG_DIGEST

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
UP_SECONDS = 120.0
"""At most, until a process answers."""

Rollouts = Mapping[str, Sequence[str]]
"""Namespace → names of the rollouts there."""


def _load_apiserver() -> ModuleType:
    spec = importlib.util.spec_from_file_location("apiserver", ROOT / "tests/cluster/apiserver.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["apiserver"] = module
    spec.loader.exec_module(module)
    return module


apiserver = _load_apiserver()


class Surroundings:
    """All of it, until the stack is closed."""

    def __init__(self, folder: Path, stack: ExitStack, rollouts: Rollouts, console: Console) -> None:
        self.rollouts = rollouts
        self._folder = folder
        names = [name for every in rollouts.values() for name in every]
        console.print(f"registering {len(names):,} models …")
        database = f"sqlite:///{folder / 'mlflow.db'}"
        _register(database, names)
        self.registry, self.prometheus, self.servers, self.page = (f"http://127.0.0.1:{free_port()}" for _ in range(4))
        stack.enter_context(running(self._servers(), folder / "servers.log"))
        self._mlflow = stack.enter_context(
            running(self._registry(database), folder / "mlflow.log", MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
        )
        stack.enter_context(running(self._prometheus(), folder / "prometheus.log"))
        self.cluster = stack.enter_context(apiserver.apiserver())
        self.cluster.install("modelrollouts", "httproutes", "inferenceservices")
        console.print(f"making {8 * len(names):,} objects …")
        _populate(self.cluster, rollouts)
        await_(f"{self.registry}/health", folder / "mlflow.log")
        await_(f"{self.prometheus}/-/ready", folder / "prometheus.log")

    def registry_calls(self) -> int:
        """That MLflow has answered, by its access log."""
        return (self._folder / "mlflow.log").read_text().count("/api/2.0/mlflow/")

    def registry_seconds(self) -> float:
        """Of a processor, that MLflow's server has taken."""
        server = psutil.Process(self._mlflow.pid)
        times = [one.cpu_times() for one in (server, *server.children(recursive=True))]
        return sum(one.user + one.system for one in times)

    def queries(self) -> float:
        """That Prometheus has answered."""
        asked = httpx.get(f"{self.prometheus}/metrics", timeout=60, trust_env=False).text
        return counted(asked, "prometheus_http_requests_total", "handler").get("/api/v1/query", 0.0)

    def calls(self) -> dict[str, float]:
        """That the API server has answered, by verb; the bench's own among them."""
        with self.cluster.client() as http:
            return counted(http.get("/metrics").text, "apiserver_request_total", "verb")

    def doing(self, spaces: Sequence[str]) -> dict[str, int]:
        """Conditions that are true, with their reasons → how many rollouts are in them."""
        found: dict[str, int] = {}
        for space in spaces:
            for one in self.cluster.get(f"/apis/{API_VERSION}/namespaces/{space}/modelrollouts")["items"]:
                true = [kind for kind in one["status"]["conditions"] if kind["status"] == "True"]
                words = ", ".join(f"{kind['type']}: {kind['reason']}" for kind in true)
                found[words] = found.get(words, 0) + 1
        return found

    def _servers(self) -> list[str]:
        return [sys.executable, str(HERE / "servers.py"), "--port", self.servers.rpartition(":")[2]]

    def _registry(self, database: str) -> list[str]:
        return [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", self.registry.rpartition(":")[2],
            "--workers", "1", "--backend-store-uri", database,
        ]  # fmt: skip

    def _prometheus(self) -> list[str]:
        (self._folder / "targets.json").write_text(json.dumps(self._targets()))
        models = {"job_name": "models", "file_sd_configs": [{"files": [str(self._folder / "targets.json")]}]}
        controller = {"job_name": "controller", "static_configs": [{"targets": [self.page.removeprefix("http://")]}]}
        config = {"global": {"scrape_interval": world.INTERVAL}, "scrape_configs": [models, controller]}
        (self._folder / "prometheus.yaml").write_text(json.dumps(config))
        return [
            str(apiserver.PROGRAMS / "prometheus"),
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address={self.prometheus.removeprefix('http://')}",
        ]

    def _targets(self) -> list[dict[str, object]]:
        return [
            {
                "targets": [self.servers.removeprefix("http://")],
                "labels": {
                    "__metrics_path__": f"/metrics/{name}/{version}",
                    "instance": f"{name}-{version}",
                    "namespace": space,
                },
            }
            for space, names in self.rollouts.items()
            for name in names
            for version in (world.STABLE, world.CANDIDATE)
        ]


def counted(text: str, name: str, label: str) -> dict[str, float]:
    """A metric of an exposition, summed by a label."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name:
                key = one.labels.get(label, "")
                found[key] = found.get(key, 0.0) + one.value
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def running(command: list[str], log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended by its pid."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def await_(url: str, log: Path) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while True:
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)


def _register(database: str, names: list[str]) -> None:
    """Each model with two versions, straight into the database that MLflow's server is started on afterwards."""
    client = MlflowClient(tracking_uri=database, registry_uri=database)
    for name in names:
        client.create_registered_model(name)
        for version, alias in ((world.STABLE, "champion"), (world.CANDIDATE, "challenger")):
            client.create_model_version(name, source=world.uri(name, version), tags={TAG_DIGEST: world.digest(version)})
            client.set_registered_model_alias(name, alias, version)


def _populate(server: "apiserver.ApiServer", rollouts: Rollouts) -> None:
    """Every object, a few at a time."""
    verify = ssl.create_default_context(cafile=str(server.authority))
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, verify=verify, trust_env=False, timeout=60
    ) as http:

        def patch(path: str, kind: str, body: dict[str, object], **query: str) -> dict[str, object]:
            headers = {"Content-Type": f"application/{kind}"}
            response = http.patch(path, params=query, headers=headers, content=json.dumps(body))
            assert response.is_success, response.text
            return response.json()

        def apply(path: str, body: dict[str, object], manager: str) -> dict[str, object]:
            return patch(path, "apply-patch+yaml", body, fieldManager=manager, force="true")

        def one(place: tuple[str, str]) -> None:
            uid = ""
            for path, document, status in world.objects(*place):
                made = apply(path, document, "kanarya-rollout" if "inferenceservices" in path else "tester")
                uid = made["metadata"]["uid"] if "inferenceservices" in path else uid
                if status is not None:
                    patch(f"{path}/status", "merge-patch+json", status)
            path, document = world.route(*place, uid)
            patch(f"{path}/status", "merge-patch+json", world.accepted(apply(path, document, "kanarya-rollout")))

        for space in rollouts:
            named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
            apply(f"/api/v1/namespaces/{space}", named, "tester")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, [(space, name) for space, names in rollouts.items() for name in names]))
