"""A real Envoy Gateway and a real Envoy as two processes, without a cluster: it reads resources from a file and starts Envoy
itself. Used by the tests beside this file; stands in for the API server towards the `gateway` adapter.

What Envoy Gateway says of a resource it writes into its log, which is where `get` finds it. A Service has no pods here, so the
file names a Backend in the place of each of its ports; everything else is as the adapter writes it. Envoy is the one that local
mode runs.
"""

import copy
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from kanarya_cli.local import launch
from kanarya_cli.local.ports import HOST, claim
from kanarya_contracts.names import BUCKET_HEADER, FIELD_MANAGER, SCORES_HEADER

CACHE = Path(os.environ.get("KANARYA_CLUSTER_CACHE", Path.home() / ".cache/kanarya-cluster"))
PROGRAM = CACHE / "bin/envoy-gateway"
ENVOY_VERSION = "1.39.1"
"""What Envoy Gateway 1.9.1 asks for. It takes what lies at its place under this name."""
OURS = "gateway.envoyproxy.io/v1alpha1"
STANDARD = "gateway.networking.k8s.io/v1"
READ = re.compile(r'reconcile finished\t\{[^\n]*"time": "([^"]+)"')
A_MOMENT = timedelta(seconds=0.5)
SAID = re.compile(r'Got new status for (\w+)\n(.*?)\n\t\{[^\n]*"key": "([^"]+)"', re.DOTALL)


Backends = dict[tuple[str, int], int]
"""Version and port of its Service → port on this machine. A port that is not 80 speaks HTTP/2, as KServe's Services say it."""


class Echo(BaseHTTPRequestHandler):
    """A version: answers with its name and the bucket that it was told, and in a header with what it was told of scores."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        body = json.dumps([self.server.version, self.headers[BUCKET_HEADER]]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header(SCORES_HEADER, self.headers[SCORES_HEADER] or "")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


class Standalone:
    """The API server's place, with what the adapter wrote and what Envoy Gateway said of it."""

    def __init__(self, directory: Path, *, port: int, backends: Backends) -> None:
        self.url = f"http://{HOST}:{port}"
        self.deployments: list[dict[str, Any]] = []
        """KServe's, as the adapter is to find them."""
        self.log = directory / "envoy-gateway.log"
        self._file = directory / "resources/all.yaml"
        self._file.parent.mkdir()
        self._fixed = list(_fixed(port, backends))
        self._objects: dict[str, dict[str, Any]] = {}
        self._written: dict[str, datetime] = {}
        self._write()

    def get(self, path: str) -> dict[str, Any] | None:
        """An object, with the last status that was said of it."""
        kind = path.split("/")[-2]
        if kind == "inferenceservices":
            return {"metadata": {"uid": "u"}}
        found = copy.deepcopy(self._objects.get(kind))
        if found is not None:
            found["status"] = self._said(found["kind"], found["metadata"]["generation"])
        return found

    def items(self, path: str, **_: str) -> list[dict[str, Any]]:
        """The Deployments."""
        assert path.endswith("/deployments")
        return copy.deepcopy(self.deployments)

    def apply(self, path: str, body: dict[str, Any], *, force: bool) -> dict[str, Any]:
        """Write it; a new generation where the spec is another."""
        kind = path.split("/")[-2]
        before = self._objects.get(kind, {"metadata": {"generation": 0}})
        made = copy.deepcopy(body)
        made["metadata"]["generation"] = before["metadata"]["generation"] + (before.get("spec") != body["spec"])
        fields = {"f:spec": {f"f:{field}": {} for field in body["spec"]}}
        made["metadata"]["managedFields"] = [{"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": fields}]
        self._objects[kind] = made
        self._written[made["kind"]] = datetime.now(UTC)
        self._write()
        found = self.get(path)
        assert found is not None
        return found

    def delete(self, path: str) -> None:
        """Take it out of the file."""
        if self._objects.pop(path.split("/")[-2], None) is not None:
            self._write()

    def _said(self, kind: str, generation: int) -> dict[str, Any]:
        """The last status of that kind; there is one object of each. Files have no generations: it is of the present one once
        the file as it is now was read, and what follows from it had the time to be said."""
        log = self.log.read_text(encoding="utf-8")
        found = [text for name, text, _ in SAID.findall(log) if name == kind]
        read = [datetime.fromisoformat(time) for time in READ.findall(log)]
        current = bool(read) and self._written[kind] < read[-1] < datetime.now(UTC) - A_MOMENT
        status = yaml.safe_load(found[-1]) if found else {}
        for one in (*status.get("parents", ()), *status.get("ancestors", ())):
            for condition in one["conditions"]:
                condition["observedGeneration"] = generation - (not current)
        return status

    def _write(self) -> None:
        documents = copy.deepcopy([*self._fixed, *self._objects.values()])
        for one in documents:
            for name in ("ownerReferences", "managedFields"):
                one["metadata"].pop(name, None)
            for rule in one["spec"].get("rules", ()):
                mirrors = [one["requestMirror"]["backendRef"] for one in rule["filters"] if "requestMirror" in one]
                for ref in (*rule["backendRefs"], *mirrors):
                    ref |= {"group": OURS.partition("/")[0], "kind": "Backend", "name": f"{ref['name']}-{ref.pop('port')}"}
        new = self._file.parent.with_name("new.yaml")  # half of a file would be a Gateway that is gone
        new.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
        new.replace(self._file)


def _fixed(port: int, backends: Backends) -> Iterator[dict[str, Any]]:
    def one(api: str, kind: str, name: str, **spec: object) -> dict[str, Any]:
        return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "default"}, "spec": spec}

    parameters = {"group": OURS.partition("/")[0], "kind": "EnvoyProxy", "name": "host"}
    yield one(STANDARD, "GatewayClass", "envoy", controllerName="gateway.envoyproxy.io/gatewayclass-controller")
    yield one(OURS, "EnvoyProxy", "host", provider={"type": "Host", "host": {"envoyVersion": ENVOY_VERSION}})
    yield one(
        STANDARD, "Gateway", "public", gatewayClassName="envoy", infrastructure={"parametersRef": parameters},
        listeners=[{"name": "http", "port": port, "protocol": "HTTP"}],
    )  # fmt: skip
    for (version, service_port), at in backends.items():
        speaks = {} if service_port == 80 else {"appProtocols": ["gateway.envoyproxy.io/h2c"]}
        yield one(
            OURS, "Backend", f"iris-v{version}-predictor-{service_port}", endpoints=[{"ip": {"address": HOST, "port": at}}],
            **speaks,
        )  # fmt: skip


def eventually(holds: Callable[[], Any], what: str, *, log: Path, seconds: float = 60.0) -> Any:
    """What `holds` returns once it is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, f"not in {seconds} s: {what}\n{log.read_text(encoding='utf-8')[-3000:]}"
        time.sleep(0.1)
    return found


@contextmanager
def echoes() -> Iterator[Backends]:
    """Versions 7, 8 and 9 that say who they are."""
    servers = {version: ThreadingHTTPServer((HOST, 0), Echo) for version in ("7", "8", "9")}
    for version, server in servers.items():
        server.version = version
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield {(version, 80): server.server_port for version, server in servers.items()}
    for server in servers.values():
        server.shutdown()
        server.server_close()


@contextmanager
def running(directory: Path, backends: Backends, *, lua: bool) -> Iterator[Standalone]:
    """One in front of these."""
    port = claim(0, purpose="a test", option="-")
    files = Standalone(directory, port=port, backends=backends)
    place = directory / "data/envoy-versions" / ENVOY_VERSION / "bin"
    place.mkdir(parents=True)
    (place / "envoy").symlink_to(launch.gateway(directory, port=0, admin_port=0).command[0])
    homes = {"configHome": "config", "dataHome": "data", "stateHome": "state", "runtimeDir": "run"}
    provider = {
        "resource": {"type": "File", "file": {"paths": [str(directory / "resources")]}},
        "infrastructure": {"type": "Host", "host": {home: str(directory / name) for home, name in homes.items()}},
    }
    config = {
        "apiVersion": OURS,
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": provider},
        "extensionApis": {"enableBackend": True, "enableLua": lua},
    }
    (directory / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    environment = {**os.environ, "HOME": str(directory)}
    certificates = (str(PROGRAM), "certgen", "--local", "--config-home", str(directory / "config"))
    subprocess.run(certificates, env=environment, check=True, capture_output=True)
    with files.log.open("w", encoding="utf-8") as log:
        command = (str(PROGRAM), "server", "--config-path", str(directory / "config.yaml"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield files
    finally:
        process.terminate()  # it ends its Envoy
        process.wait(timeout=30)
