"""`kanarya rollout …` as a person types it, against a real API server: which cluster it asks, what it says of one that is away
or refuses. The controller is the real one; registry, servers and gateway are in memory."""

import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from kanarya_contracts.names import ALIAS_STABLE
from kanarya_contracts.testing import changed, rollout_document
from kanarya_rollout.clock import SystemClock
from kanarya_rollout.controller import Controller
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.kubernetes import KubernetesStore
from kanarya_rollout.testing import FakeClock, FakeMetrics, FakeRegistry, FakeServing, FakeTraffic, Fuse

SECONDS = 120.0
GATEWAY = {"gatewayRef": {"name": "public", "namespace": "gateways"}}


@dataclass(frozen=True, kw_only=True)
class Said:
    status: int
    out: str
    err: str

    @property
    def data(self):
        return json.loads(self.out)


def apply_rollout(server, space, name="iris"):
    document = changed(changed(rollout_document(), "spec.traffic", GATEWAY), "metadata.name", name)
    server.apply(f"/apis/kanarya.dev/v1alpha1/namespaces/{space}/modelrollouts/{name}", document)


@pytest.fixture(scope="module")
def space(api_server):
    """A namespace with a rollout `iris` whose version 1 serves, and a controller that looks after it."""
    name = api_server.namespace()
    apply_rollout(api_server, name)
    fuse = Fuse()
    registry, serving, traffic = FakeRegistry(fuse), FakeServing(fuse, FakeClock()), FakeTraffic(fuse)
    registry.register("1", alias=ALIAS_STABLE)
    controller = Controller(
        store=KubernetesStore(KubernetesApi.connected(str(api_server.kubeconfig)), [name]),
        registry=registry,
        serving_for=lambda _: serving,
        traffic_for=lambda _: traffic,
        metrics_for=lambda _: FakeMetrics(serving),
        clock=SystemClock(),
        log=logging.getLogger("tests"),
    )
    stop = threading.Event()
    thread = threading.Thread(target=controller.run, args=[stop, 0.1])
    thread.start()
    yield name
    stop.set()
    thread.join()


@pytest.fixture
def kanarya(api_server, tmp_path):
    def run(*words, kubeconfig=api_server.kubeconfig, **environment):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "KUBECONFIG": str(kubeconfig), **environment}
        command = [Path(sys.executable).with_name("kanarya"), *words]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, cwd=tmp_path, env=environment, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Said(status=done.returncode, out=done.stdout, err=done.stderr)

    return run


@pytest.fixture
def kubeconfig(api_server, tmp_path):
    """One with a change to the only one there is."""

    def make(change):
        document = yaml.safe_load(api_server.kubeconfig.read_text())
        change(document)
        path = tmp_path / "other"
        path.write_text(yaml.safe_dump(document))
        return path

    return make


def test_looking_at_a_cluster_is_looking_at_local_mode_with_a_namespace(kanarya, space):
    listed = kanarya("rollout", "get", "-n", space)
    assert (listed.status, "iris" in listed.out) == (0, True)
    one = kanarya("rollout", "status", "iris", "-n", space, "-o", "json").data
    assert (one["metadata"]["namespace"], one["status"]["stable"]["version"]) == (space, "1")
    explained = kanarya("rollout", "explain", "iris", "-n", space)
    assert explained.out.startswith("iris: v1 gets 100 %")


@pytest.mark.parametrize(
    ("verb", "reason"),
    [
        ("promote", "no candidate is on its way"),
        ("abort", "no candidate is on its way"),
        ("retry", "no candidate was rolled back"),
        ("undo", "no former champion"),
        ("pause", "no candidate is on its way"),
        ("resume", "it is not paused"),
    ],
)
def test_every_verb_is_answered_by_the_controller(kanarya, space, verb, reason):
    def last() -> str | None:
        return kanarya("rollout", "status", "iris", "-n", space, "-o", "json").data["status"].get("lastRequestId")

    before = last()
    said = kanarya("rollout", verb, "iris", "-n", space, "-o", "json")
    assert (said.status, reason in said.err) == (2, True), said.err  # nothing is going on: each is answered with why not
    assert last() not in (None, before)


def test_waiting_for_what_does_not_come_ends_with_status_1(kanarya, space):
    assert kanarya("rollout", "wait", "iris", "-n", space, "--for", "RolledBack", "--timeout", "0.1").status == 1


def test_a_request_that_no_controller_answers_says_where_to_look(kanarya, api_server):
    alone = api_server.namespace()
    apply_rollout(api_server, alone)
    labels = {"app.kubernetes.io/name": "kanarya-rollout"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "rollout", "image": "rollout"}]}}
    api_server.apply(
        f"/apis/apps/v1/namespaces/{alone}/deployments/rollout",
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "rollout", "labels": labels},
            "spec": {"selector": {"matchLabels": labels}, "template": pod},
        },
    )
    said = kanarya("rollout", "pause", "iris", "-n", alone)
    assert said.status == 2
    assert f"kubectl -n {alone} logs deploy/rollout" in said.err
    assert "kanarya rollout" not in kanarya("rollout", "explain", "iris", "-n", alone).out


def test_the_context_says_which_namespace_and_the_variable_that_a_cluster_is_meant(kanarya, kubeconfig, space):
    path = kubeconfig(lambda config: config["contexts"][0]["context"].update(namespace=space))
    assert kanarya("rollout", "status", "iris", "--cluster", kubeconfig=path).status == 0
    assert kanarya("rollout", "status", "iris", kubeconfig=path, KANARYA_CLUSTER="1").status == 0
    local = kanarya("rollout", "status", "iris", "--local", kubeconfig=path, KANARYA_CLUSTER="1")
    assert (local.status, "in local mode" in local.err) == (2, True)


def test_a_rollout_that_is_not_there_is_looked_for_in_other_namespaces(kanarya, space):
    said = kanarya("rollout", "status", "iris", "-n", "default")
    assert said.status == 2
    assert "no rollout 'iris' in namespace default (context tests of" in said.err
    assert f"{space}/iris" in said.err.partition("There is:")[2]


def test_a_context_that_is_not_there_is_answered_with_those_that_are(kanarya, space):
    said = kanarya("rollout", "get", "-n", space, "--context", "production")
    assert (said.status, said.err.count("there is no context 'production'"), said.err.count("there are: tests")) == (2, 1, 1)


def test_an_api_server_that_is_away_is_named_with_how_to_ask_another(kanarya, kubeconfig, space):
    def elsewhere(config):
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"

    said = kanarya("rollout", "status", "iris", "-n", space, kubeconfig=kubeconfig(elsewhere))
    assert said.status == 2
    assert "https://127.0.0.1:1 does not answer" in said.err
    assert "--context" in said.err


def test_who_may_not_look_is_told_which_role_lets_them(kanarya, kubeconfig, api_server, space):
    path = kubeconfig(lambda config: config["users"][0].update(user={"token": api_server.account(space, "nobody")}))
    said = kanarya("rollout", "status", "iris", "-n", space, kubeconfig=path)
    assert said.status == 2
    assert f"role view in namespace {space}" in said.err
    unknown = kubeconfig(lambda config: config["users"][0].update(user={"token": "wrong"}))
    assert "Log in" in kanarya("rollout", "get", "-n", space, kubeconfig=unknown).err


def test_names_are_completed_from_the_cluster_that_the_line_means(kanarya, space):
    environment = {
        "_KANARYA_COMPLETE": "complete_bash",
        "COMP_WORDS": f"kanarya rollout status -n {space} ir",
        "COMP_CWORD": "5",
    }
    assert kanarya(**environment).out.split() == ["iris"]
    away = {**environment, "KUBECONFIG": "/nowhere"}
    assert kanarya(**away).out.split() == []


@pytest.fixture
def empty():
    """A cluster that has nothing."""
    with sys.modules["apiserver"].apiserver() as server:
        yield server


def test_a_cluster_that_has_nothing_is_told_all_that_it_lacks_at_once(kanarya, empty):
    said = kanarya("doctor", "-o", "json", kubeconfig=empty.kubeconfig)
    wrong = {one["subject"] for one in said.data if one["state"] == "wrong"}
    assert said.status == 1
    assert wrong >= {"kind ModelRollout", "kind InferenceService", "kind Gateway", "KServe", "controller"}
    assert all(one["advice"] for one in said.data if one["state"] == "wrong")
    assert "helm install rollout" in kanarya("rollout", "get", "-n", "default", kubeconfig=empty.kubeconfig).err


def test_the_crd_has_every_field_that_the_command_knows(kanarya, space):
    found = {one["subject"]: one for one in kanarya("doctor", "-n", space, "-o", "json").data}
    assert found["kind ModelRollout"]["state"] == "fine", found["kind ModelRollout"]
    assert found[f"ModelRollout {space}/iris"]["state"] == "fine"
    assert found[f"InferenceService {space}/iris"]["state"] == "wrong"


def test_the_doctor_asks_what_it_may_and_marks_the_rest(kanarya, kubeconfig, api_server, space):
    path = kubeconfig(lambda config: config["users"][0].update(user={"token": api_server.account(space, "looker")}))
    found = kanarya("doctor", "-n", space, "-o", "json", kubeconfig=path).data
    states = {one["subject"]: one["state"] for one in found}
    assert (states["kind ModelRollout"], states["your rights"]) == ("fine", "wrong")
    assert states["controller"] == states["KServe"] == states["ModelRollouts"] == "unknown"


def test_the_doctor_of_a_cluster_that_is_away_says_so_and_nothing_else(kanarya, kubeconfig):
    def elsewhere(config):
        config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"

    said = kanarya("doctor", kubeconfig=kubeconfig(elsewhere))
    assert (said.status, said.out) == (2, "")
    assert "https://127.0.0.1:1 does not answer" in said.err
