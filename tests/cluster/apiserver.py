"""A real kube-apiserver over a real etcd, as two processes on loopback: for tests of what only an API server can decide
(server-side apply, managed fields, conflicts, admission by CRD schemas). Used by `test_apiserver_*.py` here.

Needs the programs `etcd` and `kube-apiserver` (tests/cluster/programs builds them) and, for the CRDs of others, the Go
module cache. There is no controller manager, no scheduler and no kubelet: status of pods and Deployments is written by tests.
"""

import json
import os
import secrets
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from kanarya_cli.local.ports import claim

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(os.environ.get("KANARYA_CLUSTER_CACHE", Path.home() / ".cache/kanarya-cluster")) / "bin"
MODULES = Path(os.environ.get("GOMODCACHE", Path.home() / "go/pkg/mod"))
KSERVE = MODULES / "github.com/kserve/kserve@v0.20.0/charts"
GATEWAY_API = sorted(MODULES.glob("sigs.k8s.io/gateway-api@*/config/crd/standard"))

CRDS = {
    "modelrollouts": ROOT / "helm/rollout/crds/modelrollouts.kanarya.dev.yaml",
    "httproutes": Path(*GATEWAY_API[-1:]) / "gateway.networking.k8s.io_httproutes.yaml",
    # KServe's CRD comes with its schema, and without one: the spec is one atomic field then.
    "inferenceservices": KSERVE / "kserve-crd/templates/serving.kserve.io_inferenceservices.yaml",
    "inferenceservices-small": KSERVE / "kserve-crd-minimal/templates/serving.kserve.io_inferenceservices.yaml",
}

PATIENCE_SECONDS = 180.0


def missing() -> list[str]:
    """What this machine lacks to run one."""
    wanted = (PROGRAMS / "etcd", PROGRAMS / "kube-apiserver", *CRDS.values())
    return [str(path) for path in wanted if not path.exists()]


@dataclass(frozen=True, kw_only=True)
class ApiServer:
    """One that answers."""

    url: str
    token: str
    authority: Path
    """Its certificate."""
    kubeconfig: Path

    def client(self) -> httpx.Client:
        """As the cluster's administrator, who is not the controller: writes as field manager `tester`."""
        return httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {self.token}"},
            verify=ssl.create_default_context(cafile=str(self.authority)),
            trust_env=False,
            timeout=60,
        )

    def install(self, *names: str) -> None:
        """Apply CRDs and wait until their kinds are served."""
        for name in names:
            for crd in yaml.load_all(CRDS[name].read_text(), yaml.CSafeLoader):
                self.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd['metadata']['name']}", crd)
                spec = crd["spec"]
                version = next(one["name"] for one in spec["versions"] if one["storage"])
                self._await(f"/apis/{spec['group']}/{version}/{spec['names']['plural']}")

    def namespace(self) -> str:
        """A new one."""
        name = f"test-{secrets.token_hex(4)}"
        self.apply(f"/api/v1/namespaces/{name}", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def account(self, namespace: str, name: str) -> str:
        """A new service account's token: somebody who may do nothing yet."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}"
        self.apply(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}})
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        with self.client() as http:
            return http.post(f"{path}/token", json=request).raise_for_status().json()["status"]["token"]

    def get(self, path: str) -> dict[str, Any] | None:
        """An object; None if there is none."""
        with self.client() as http:
            response = http.get(path)
        return None if response.status_code == 404 else response.raise_for_status().json()

    def apply(self, path: str, body: Mapping[str, object], *, manager: str = "tester") -> dict[str, Any]:
        """Server-side apply, whatever others own."""
        with self.client() as http:
            response = http.patch(
                path,
                params={"fieldManager": manager, "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=json.dumps(body),
            )
        assert response.is_success, response.text
        return response.json()

    def merge(self, path: str, body: Mapping[str, object], *, manager: str = "tester") -> dict[str, Any]:
        """A merge patch, as `kubectl edit` and `kubectl patch` send."""
        with self.client() as http:
            response = http.patch(
                path,
                params={"fieldManager": manager},
                headers={"Content-Type": "application/merge-patch+json"},
                content=json.dumps(body),
            )
        assert response.is_success, response.text
        return response.json()

    def delete(self, path: str) -> None:
        """Delete an object, now."""
        with self.client() as http:
            http.delete(path, params={"gracePeriodSeconds": "0"}).raise_for_status()

    def _await(self, path: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        with self.client() as http:
            while not http.get(path).is_success:  # 404, then 429 while its storage comes up
                assert time.monotonic() < deadline, f"{path} is not served"
                time.sleep(0.1)


@contextmanager
def apiserver() -> Iterator[ApiServer]:
    """Start both, wait until they answer, end them by pid."""
    with tempfile.TemporaryDirectory(prefix="apiserver-") as name:
        home = Path(name)
        etcd_port, peer_port, port = (claim(0, purpose="a test", option="-") for _ in range(3))
        token = secrets.token_hex(16)
        _certificate(home)
        (home / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')
        logs = [(home / f"{one}.log").open("w") for one in ("etcd", "apiserver")]
        processes = [
            subprocess.Popen(_etcd(home, etcd_port, peer_port), stdout=logs[0], stderr=subprocess.STDOUT),
            subprocess.Popen(_apiserver(home, etcd_port, port), stdout=logs[1], stderr=subprocess.STDOUT),
        ]
        server = ApiServer(
            url=f"https://127.0.0.1:{port}", token=token, authority=home / "tls.crt", kubeconfig=_kubeconfig(home, port, token)
        )
        try:
            _await(server, processes, home)
            yield server
        finally:
            for process in reversed(processes):
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            for log in logs:
                log.close()


def _etcd(home: Path, port: int, peer: int) -> list[str]:
    client, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        str(PROGRAMS / "etcd"), "--data-dir", str(home / "etcd"), "--unsafe-no-fsync",
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", other, "--initial-advertise-peer-urls", other, "--initial-cluster", f"default={other}",
    ]  # fmt: skip


def _apiserver(home: Path, etcd: int, port: int) -> list[str]:
    return [
        str(PROGRAMS / "kube-apiserver"), "--etcd-servers", f"http://127.0.0.1:{etcd}",
        "--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", str(port),
        "--tls-cert-file", str(home / "tls.crt"), "--tls-private-key-file", str(home / "tls.key"),
        "--token-auth-file", str(home / "tokens.csv"), "--authorization-mode", "RBAC",
        "--service-account-issuer", "https://tests", "--service-account-key-file", str(home / "tls.key"),
        "--service-account-signing-key-file", str(home / "tls.key"), "--service-cluster-ip-range", "10.0.0.0/24",
        "--disable-admission-plugins", "ServiceAccount", "--cert-dir", str(home / "more"),
    ]  # fmt: skip


def _await(server: ApiServer, processes: list[subprocess.Popen[bytes]], home: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    with server.client() as http:
        while True:
            try:
                if http.get("/readyz").is_success:
                    return
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline or any(one.poll() is not None for one in processes):
                ends = {one.name: one.read_text()[-1500:] for one in home.glob("*.log")}
                raise AssertionError(f"the API server does not come up: {ends}")
            time.sleep(0.1)


def _certificate(home: Path) -> None:
    """One key for everything: TLS and service accounts. It lives as long as the test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (home / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (home / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


def _kubeconfig(home: Path, port: int, token: str) -> Path:
    path = home / "kubeconfig"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "clusters": [
            {
                "name": "tests",
                "cluster": {"server": f"https://127.0.0.1:{port}", "certificate-authority": str(home / "tls.crt")},
            }
        ],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
    }
    path.write_text(yaml.safe_dump(document))
    return path
