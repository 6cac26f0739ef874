"""The controller's own process at a real API server: election, health, what it writes when the world is away."""

import json
import os
import signal
import subprocess
import sys
import time

import httpx
import pytest

from kanarya_cli.local.ports import claim

SECONDS = 120.0


@pytest.fixture(scope="module")
def server(api_server):
    api_server.install("inferenceservices")
    return api_server


class Instance:
    """`kanarya-rollout run`, as a pod would run it, with no registry and no Prometheus there."""

    def __init__(self, server, space, identity, log):
        self.port = claim(0, purpose="a test", option="-")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("KANARYA_", "MLFLOW_"))},
            "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
            "KANARYA_ROLLOUT_PROMETHEUS": "http://127.0.0.1:9",
            "KANARYA_ROLLOUT_KUBECONFIG": str(server.kubeconfig),
            "KANARYA_ROLLOUT_NAMESPACES": space,
            "KANARYA_ROLLOUT_LEASE": "rollout",
            "KANARYA_ROLLOUT_HOST": "127.0.0.1",
            "KANARYA_ROLLOUT_PORT": str(self.port),
            "POD_NAMESPACE": space,
            "POD_NAME": identity,
        }
        self.log = log
        with log.open("w") as file:
            self.process = subprocess.Popen([sys.executable, "-m", "kanarya_rollout", "run"], env=environment, stderr=file)

    def page(self, path):
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=SECONDS)
        except httpx.HTTPError:
            return httpx.Response(503, text="")

    def await_(self, holds):
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.1)

    @property
    def leads(self):
        return "kanarya_rollout_leader 1.0" in self.page("/metrics").text

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS)


def test_two_processes_elect_one_that_says_what_is_away_and_the_other_takes_over(server, stage, tmp_path):
    space = server.namespace()
    rollout, service = stage.manifests()
    server.apply(f"/apis/serving.kserve.io/v1beta1/namespaces/{space}/inferenceservices/iris", service)
    path = f"/apis/kanarya.dev/v1alpha1/namespaces/{space}/modelrollouts/iris"
    server.apply(path, rollout)
    first = Instance(server, space, "first", tmp_path / "first.log")
    second = None
    try:
        first.await_(lambda: first.leads)
        second = Instance(server, space, "second", tmp_path / "second.log")
        second.await_(lambda: second.page("/readyz").is_success)
        assert (first.leads, second.leads) == (True, False)
        assert (first.page("/healthz").text, second.page("/healthz").text) == ("ok\n", "ok\n")
        first.await_(lambda: bool(server.get(path).get("status", {}).get("conditions")))
        conditions = {one["type"]: one for one in server.get(path)["status"]["conditions"]}
        assert conditions["Degraded"]["reason"] == "RegistryUnreachable"
        first.await_(lambda: "kanarya_rollout_condition{" in first.page("/metrics").text)
        assert first.stop() == 0
        second.await_(lambda: second.leads)
        lines = [json.loads(line) for line in first.log.read_text().splitlines()]
        assert any(line.get("conditions", {}).get("Degraded") == "RegistryUnreachable" for line in lines)
        assert second.stop() == 0
    finally:
        for one in (first, second):
            if one is not None and one.process.poll() is None:
                one.process.kill()
                one.process.wait()
