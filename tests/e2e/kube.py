"""The cluster under test, asked as a person asks it: `kubectl` and `helm` for what a person types, the project's own store for
looks that are taken several times a second. Used by every test beside this file; makes nothing up."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from kanarya_contracts.names import ANNOTATION_REQUEST
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.kubernetes import KubernetesStore

GATEWAY = "http://127.0.0.1:8080"
"""Of kind-config.yaml."""


class Kube:
    """One namespace of the cluster."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.api = KubernetesApi.connected(os.environ["KUBECONFIG"])
        self._store = KubernetesStore(self.api, [namespace])

    def run(self, *arguments: str, namespace: str | None = None) -> str:
        """`kubectl …`; its output. Fails the test with what kubectl said."""
        return command("kubectl", "-n", namespace or self.namespace, *arguments)

    def get(self, *arguments: str, namespace: str | None = None) -> Any:
        """`kubectl get … -o json`: an object, or a list's items."""
        answer = json.loads(self.run("get", *arguments, "-o", "json", namespace=namespace))
        return answer["items"] if answer["kind"] == "List" else answer

    def helm(self, verb: str, *arguments: str) -> str:
        """`helm … -n NAMESPACE`."""
        return command("helm", "-n", self.namespace, verb, *arguments)

    def rollout(self, name: str = "iris") -> ModelRollout:
        """The ModelRollout as it is now."""
        found = self._store.get(f"{self.namespace}/{name}")
        assert found is not None, f"there is no ModelRollout {name}"
        return found[0]

    def ask(self, rollout: str, verb: str) -> None:
        """What a person asks of a rollout, as `kanarya rollout VERB` writes it; nobody waits for the answer."""
        request = json.dumps({"id": f"e2e-{time.time_ns()}", "verb": verb, "by": "e2e"})
        self.run("annotate", "--overwrite", f"modelrollout/{rollout}", f"{ANNOTATION_REQUEST}={request}")

    def scale(self, what: str, replicas: int, *, namespace: str | None = None) -> None:
        """To 0: every pod is gone when it returns."""
        self.run("scale", what, f"--replicas={replicas}", namespace=namespace)
        if replicas == 0:
            path = json.loads(self.run("get", what, "-o", "json", namespace=namespace))
            labels = ",".join(f"{key}={value}" for key, value in path["spec"]["selector"]["matchLabels"].items())
            self.run("wait", "--for=delete", "pod", "-l", labels, "--timeout=60s", namespace=namespace)

    def available(self, what: str, *, namespace: str | None = None, seconds: int = 120) -> None:
        """Wait until a Deployment, StatefulSet or DaemonSet is rolled out."""
        self.run("rollout", "status", what, f"--timeout={seconds}s", namespace=namespace)

    def story(self) -> str:
        """Why iris is where it is, and its pods: for somebody who has only this to go by. Never fails."""
        place = ("-n", self.namespace)
        asked = (
            (sys.executable, "-m", "kanarya_cli", "rollout", "explain", "iris", *place),
            ("kubectl", *place, "get", "pods"),
            (
                "kubectl",
                *place,
                "get",
                "events",
                "--sort-by=.lastTimestamp",
                "--field-selector=involvedObject.kind=ModelRollout",
            ),
        )
        done = [subprocess.run(one, capture_output=True, text=True, check=False, timeout=60) for one in asked]
        return "\n".join("\n".join((one.stdout + one.stderr).splitlines()[-25:]) for one in done)

    @contextmanager
    def reach(self, service: str, port: int, *, namespace: str | None = None) -> Iterator[str]:
        """`kubectl port-forward` for as long as the block runs; the address on this machine."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            local = free.getsockname()[1]
        arguments = ["-n", namespace or self.namespace, "port-forward", f"service/{service}", f"{local}:{port}"]
        process = subprocess.Popen(["kubectl", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            eventually(lambda: listens(local), f"port-forward to {service}", seconds=30)
            yield f"http://127.0.0.1:{local}"
        finally:
            process.terminate()
            process.communicate(timeout=10)


def command(*arguments: str) -> str:
    """Run it; its standard output. Fails with everything it said."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def eventually(holds: Callable[[], Any], what: object, *, seconds: float = 90.0, every: float = 0.1) -> Any:
    """What `holds` returns once it is true. An answer that lacks a field which is not written yet is no answer yet."""
    end, last = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if last := holds():
                return last
        except (KeyError, IndexError, httpx.TransportError):
            last = None
        time.sleep(every)
    raise AssertionError(f"not within {seconds:g} s: {what}; last: {last!r}")


def listens(port: int) -> bool:
    """Whether somebody does, on loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ready(pod: dict[str, Any]) -> bool:
    """Whether a pod is ready, or has ended well."""
    conditions = {one["type"]: one["status"] for one in pod["status"].get("conditions", ())}
    return pod["status"]["phase"] == "Succeeded" or conditions.get("Ready") == "True"


def names(objects: Sequence[dict[str, Any]]) -> list[str]:
    """Of Kubernetes objects, sorted."""
    return sorted(one["metadata"]["name"] for one in objects)
