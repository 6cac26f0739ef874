"""How much of a processor one controller takes for 1,000 rollouts, and whom it asks how often. Goals decide the exit status.

    make bench-controller      or   .venv/bin/python bench/controller [--rollouts 1000] [--seconds 120] [--profile FILE]

A real API server over etcd, a real Prometheus that scrapes 2,000 model servers, a real MLflow over SQLite, and the controller's
own process. Every rollout is under way at 10 % and undecided, with `analysis.interval` and `pollInterval` of 30 s; see `world`.
Measured twice: with a tenth of the rollouts, and with all.
"""

import argparse
import importlib.util
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import world
from mlflow.tracking import MlflowClient
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from kanarya_contracts.names import API_VERSION, TAG_DIGEST

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GOAL_SHARE = 0.20
"""Of one processor."""
WARM_SECONDS = 120.0
"""At most, until every rollout was looked at twice, so that every example has been asked."""
QUERIES_A_MINUTE = 4 * 60
"""At most: four a second, however many rollouts there are."""
FEW, MANY = "bench-few", "bench-many"
"""Namespaces: a tenth of the rollouts, and the others."""


def _load_apiserver():
    spec = importlib.util.spec_from_file_location("apiserver", ROOT / "tests/cluster/apiserver.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["apiserver"] = module
    spec.loader.exec_module(module)
    return module


apiserver = _load_apiserver()


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


def await_(url: str, log: Path, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, log.read_text()[-2000:]
        time.sleep(0.2)


def populate(server, rollouts: dict[str, list[str]]) -> None:
    """Every object, a few at a time."""
    verify = ssl.create_default_context(cafile=str(server.authority))
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, verify=verify, trust_env=False, timeout=60
    ) as http:

        def apply(path: str, body: dict[str, object], manager: str) -> dict[str, object]:
            response = http.patch(
                path,
                params={"fieldManager": manager, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=json.dumps(body),
            )
            assert response.is_success, response.text
            return response.json()

        def merge(path: str, body: dict[str, object]) -> None:
            headers = {"Content-Type": "application/merge-patch+json"}
            response = http.patch(f"{path}/status", headers=headers, content=json.dumps(body))
            assert response.is_success, response.text

        def one(place: tuple[str, str]) -> None:
            uid = ""
            for path, document, status in world.objects(*place):
                made = apply(path, document, "kanarya-rollout" if "inferenceservices" in path else "tester")
                uid = made["metadata"]["uid"] if "inferenceservices" in path else uid
                if status is not None:
                    merge(path, status)
            path, document = world.route(*place, uid)
            merge(path, world.accepted(apply(path, document, "kanarya-rollout")))

        for space in rollouts:
            apply(f"/api/v1/namespaces/{space}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}, "t")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, [(space, name) for space, names in rollouts.items() for name in names]))


def register(database: str, names: list[str]) -> None:
    """Each model with two versions, straight into the database that MLflow's server is started on afterwards."""
    client = MlflowClient(tracking_uri=database, registry_uri=database)
    for name in names:
        client.create_registered_model(name)
        for version, alias in ((world.STABLE, "champion"), (world.CANDIDATE, "challenger")):
            client.create_model_version(name, source=world.uri(name, version), tags={TAG_DIGEST: world.digest(version)})
            client.set_registered_model_alias(name, alias, version)


def scrape_targets(rollouts: dict[str, list[str]], port: int) -> list[dict[str, object]]:
    return [
        {
            "targets": [f"127.0.0.1:{port}"],
            "labels": {
                "__metrics_path__": f"/metrics/{name}/{version}",
                "instance": f"{name}-{version}",
                "namespace": space,
            },
        }
        for space, names in rollouts.items()
        for name in names
        for version in (world.STABLE, world.CANDIDATE)
    ]


@dataclass(frozen=True, kw_only=True)
class Measured:
    rollouts: int
    doing: dict[str, int]
    """Condition with its reason → how many rollouts were in it at the end: all are to be counting."""
    share: float
    """Of one processor."""
    passes: float
    """Over one rollout, in a minute."""
    queries: float
    """To Prometheus, in a minute."""
    calls: dict[str, float]
    """To the API server, in a minute: verb → calls."""
    memory: int
    """Bytes."""


def counted(text: str, name: str, label: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for one in family.samples:
            if one.name == name:
                key = one.labels.get(label, "")
                found[key] = found.get(key, 0.0) + one.value
    return found


class Bench:
    """Everything but the controller."""

    def __init__(self, folder: Path, stack: ExitStack, rollouts: dict[str, list[str]], console: Console) -> None:
        self.folder, self.rollouts = folder, rollouts
        names = [name for every in rollouts.values() for name in every]
        database = f"sqlite:///{folder / 'mlflow.db'}"
        console.print(f"registering {len(names):,} models …")
        register(database, names)
        self.registry, self.prometheus, self.servers = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self._start(stack, "servers", [sys.executable, str(HERE / "servers.py"), "--port", self.servers.rpartition(":")[2]])
        mlflow = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1", "--backend-store-uri", database]
        self._start(
            stack, "mlflow", [sys.executable, *mlflow, "--port", self.registry.rpartition(":")[2]],
            MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
        )  # fmt: skip
        self._start(stack, "prometheus", self._prometheus())
        self.server = stack.enter_context(apiserver.apiserver())
        self.server.install("modelrollouts", "httproutes", "inferenceservices")
        console.print(f"making {8 * len(names):,} objects …")
        populate(self.server, rollouts)
        await_(f"{self.registry}/health", folder / "mlflow.log")
        await_(f"{self.prometheus}/-/ready", folder / "prometheus.log")

    def _start(self, stack: ExitStack, name: str, command: list[str], **environment: str) -> None:
        stack.enter_context(running(command, self.folder / f"{name}.log", **environment))

    def _prometheus(self) -> list[str]:
        port = int(self.servers.rpartition(":")[2])
        (self.folder / "targets.json").write_text(json.dumps(scrape_targets(self.rollouts, port)))
        config = {
            "global": {"scrape_interval": "30s"},
            "scrape_configs": [{"job_name": "models", "file_sd_configs": [{"files": [str(self.folder / "targets.json")]}]}],
        }
        (self.folder / "prometheus.yaml").write_text(json.dumps(config))
        return [
            str(apiserver.PROGRAMS / "prometheus"),
            f"--config.file={self.folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self.folder / 'tsdb'}",
            f"--web.listen-address={self.prometheus.removeprefix('http://')}",
        ]

    def measure(self, spaces: list[str], seconds: float, profile: str | None) -> Measured:
        """The controller over these namespaces, for so long."""
        port = free_port()
        environment = {
            "MLFLOW_TRACKING_URI": self.registry,
            "KANARYA_ROLLOUT_PROMETHEUS": self.prometheus,
            "KANARYA_ROLLOUT_KUBECONFIG": str(self.server.kubeconfig),
            "KANARYA_ROLLOUT_NAMESPACES": ",".join(spaces),
            "KANARYA_ROLLOUT_HOST": "127.0.0.1",
            "KANARYA_ROLLOUT_PORT": str(port),
            "KANARYA_ROLLOUT_LOG_LEVEL": "WARNING",
            "BENCH_SERVERS": self.servers,
            **({"BENCH_PROFILE": profile} if profile else {}),
        }
        log, page = self.folder / "controller.log", f"http://127.0.0.1:{port}"
        with running([sys.executable, str(HERE / "process.py")], log, **environment) as process:
            await_(f"{page}/readyz", log)
            self._warm(page, sum(len(self.rollouts[space]) for space in spaces))
            before, used, began = self._counts(page), psutil.Process(process.pid).cpu_times(), time.monotonic()
            time.sleep(seconds)
            after, now, took = self._counts(page), psutil.Process(process.pid).cpu_times(), time.monotonic() - began
            memory = psutil.Process(process.pid).memory_info().rss
        rollouts = sum(len(self.rollouts[space]) for space in spaces)
        a_minute = {key: (after[key] - before.get(key, 0.0)) * 60 / took for key in after}
        return Measured(
            rollouts=rollouts,
            doing=self._doing(spaces),
            share=(now.user + now.system - used.user - used.system) / took,
            passes=a_minute["passes"] / rollouts,
            queries=a_minute["queries"],
            calls={key: value for key, value in a_minute.items() if key.isupper() and value >= 0.5},
            memory=memory,
        )

    def _doing(self, spaces: list[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        for space in spaces:
            for one in self.server.get(f"/apis/{API_VERSION}/namespaces/{space}/modelrollouts")["items"]:
                true = [kind for kind in one["status"]["conditions"] if kind["status"] == "True"]
                words = ", ".join(f"{kind['type']}: {kind['reason']}" for kind in true)
                found[words] = found.get(words, 0) + 1
        return found

    def _warm(self, page: str, rollouts: int) -> None:
        deadline = time.monotonic() + WARM_SECONDS
        while time.monotonic() < deadline:
            time.sleep(5)
            passes = counted(httpx.get(f"{page}/metrics", timeout=60).text, "kanarya_rollout_passes_total", "rollout")
            if len(passes) == rollouts and min(passes.values()) >= 2:
                return

    def _counts(self, controller: str) -> dict[str, float]:
        passes = counted(httpx.get(f"{controller}/metrics", timeout=60).text, "kanarya_rollout_passes_total")
        asked = counted(httpx.get(f"{self.prometheus}/metrics").text, "prometheus_http_requests_total", "handler")
        with self.server.client() as http:
            calls = counted(http.get("/metrics").text, "apiserver_request_total", "verb")
        return {"passes": sum(passes.values()), "queries": asked.get("/api/v1/query", 0.0), **calls}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/controller", description=__doc__.splitlines()[0])
    parser.add_argument("--rollouts", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--profile", help="write the controller's profile here; it runs slower under it")
    options = parser.parse_args()
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that was started is ended
    if apiserver.missing():
        console.print(f"needs {', '.join(apiserver.missing())}; tests/cluster/programs and tests/cluster/sources bring them")
        return 2
    names = [f"m{number:04d}" for number in range(options.rollouts)]
    few = max(1, options.rollouts // 10)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        bench = Bench(Path(folder), stack, {FEW: names[:few], MANY: names[few:]}, console)
        results = [bench.measure(spaces, options.seconds, options.profile) for spaces in ([FEW], [FEW, MANY])]
        console.print((bench.folder / "controller.log").read_text()[-2000:], markup=False)
    table = Table(title=f"one controller, interval {world.INTERVAL}, {options.seconds:.0f} s each")
    for name in (
        "rollouts",
        "at the end",
        "of one processor",
        "passes a rollout, a minute",
        "queries a minute",
        "calls a minute",
        "memory",
    ):
        table.add_column(name, justify="right")
    for one in results:
        calls = ", ".join(f"{verb} {count:.0f}" for verb, count in sorted(one.calls.items()))
        table.add_row(
            f"{one.rollouts:,}",
            "; ".join(f"{count} {what}" for what, count in one.doing.items()),
            f"{one.share:.1%}",
            f"{one.passes:.1f}",
            f"{one.queries:.0f}",
            calls,
            f"{one.memory / 2**20:.0f} MiB",
        )
    console.print(table)
    cheap, flat = results[-1].share <= GOAL_SHARE, results[-1].queries <= QUERIES_A_MINUTE
    console.print(f"at most {GOAL_SHARE:.0%} of one processor: {'holds' if cheap else 'MISSED'}")
    console.print(f"queries: at most {QUERIES_A_MINUTE} a minute, however many rollouts: {'holds' if flat else 'MISSED'}")
    return 0 if cheap and flat else 1


if __name__ == "__main__":
    sys.exit(main())
