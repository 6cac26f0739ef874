"""The controller's process: its settings, its pages, its log, who leads."""

import json
import logging

import pytest
from prometheus_client import generate_latest

from kanarya_contracts.problems import InvalidInput, KanaryaError
from kanarya_contracts.rollout import ModelRolloutStatus, VersionRef
from kanarya_rollout.__main__ import main
from kanarya_rollout.decide import Decision
from kanarya_rollout.logs import JsonLines
from kanarya_rollout.ports.api import KubernetesApi, collection
from kanarya_rollout.settings import Settings, listed, settings
from kanarya_rollout.telemetry import STUCK_AFTER, Telemetry
from kanarya_rollout.testing import EPOCH, a_rollout

LEAST = {"MLFLOW_TRACKING_URI": "http://mlflow:5000", "KANARYA_ROLLOUT_PROMETHEUS": "http://prometheus:9090"}


def test_two_addresses_are_enough():
    chosen = settings({**LEAST, "PATH": "/bin", "KANARYA_ROLLOUT_LEASE": ""})
    assert (chosen.registry, chosen.prometheus, chosen.namespaces, chosen.lease) == (*LEAST.values(), (), None)


def test_namespaces_are_separated_by_commas():
    assert settings({**LEAST, "KANARYA_ROLLOUT_NAMESPACES": "flowers, birds,"}).namespaces == ("flowers", "birds")


def test_every_problem_is_told_at_its_variable():
    with pytest.raises(InvalidInput) as told:
        settings({"KANARYA_ROLLOUT_PORT": "many", "KANARYA_ROLLOUT_PROMETEUS": "x", "MLFLOW_TRACKING_URI": "mlflow"})
    assert "MLFLOW_TRACKING_URI: got 'mlflow', expected an http:// or https:// address" in str(told.value)
    places = {problem.path[0] for problem in told.value.problems}
    assert places == {
        "KANARYA_ROLLOUT_PORT",
        "KANARYA_ROLLOUT_PROMETEUS",
        "KANARYA_ROLLOUT_PROMETHEUS",
        "MLFLOW_TRACKING_URI",
    }


def test_a_password_is_used_and_never_shown():
    chosen = settings({**LEAST, "MLFLOW_TRACKING_USERNAME": "kanarya", "MLFLOW_TRACKING_PASSWORD": "s3cret"})
    assert chosen.registry_login == ("kanarya", "s3cret")
    assert "s3cret" not in repr(chosen)
    assert chosen.prometheus_login is None


def test_every_setting_is_listed_with_what_it_does():
    text = listed()
    assert "MLFLOW_TRACKING_URI\n    MLflow's address, such as http://mlflow:5000. (required)" in text
    assert "KANARYA_ROLLOUT_PORT\n    And on which port; 0 takes any free one. (default: 8080)" in text
    assert text.count("\n    ") == len(Settings.model_fields)


def test_a_misspelt_variable_ends_the_command_with_a_sentence(capsys, monkeypatch):
    monkeypatch.setenv("KANARYA_ROLLOUT_TICKS", "1")
    assert main(["run"]) == main([]) == 2
    assert "KANARYA_ROLLOUT_TICKS: is not a known field" in capsys.readouterr().err


def test_outside_of_a_cluster_without_a_kubeconfig_there_is_nobody_to_talk_to(monkeypatch, tmp_path):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KanaryaError, match="no Kubernetes API server"):
        KubernetesApi.connected()
    with pytest.raises(KanaryaError, match=r"no Kubernetes API server to talk to: kubeconfig .*/none: [^.]*\. [^.]*; run in"):
        KubernetesApi.connected(str(tmp_path / "none"))


def test_paths_are_those_of_the_api_server():
    assert collection("v1", "flowers", "events") == "/api/v1/namespaces/flowers/events"
    assert collection("kanarya.dev/v1alpha1", None, "modelrollouts") == "/apis/kanarya.dev/v1alpha1/modelrollouts"


def decided(**status):
    return Decision(now=EPOCH, status=ModelRolloutStatus(**status), backends=None, weights=None, events=())


STABLE, CANDIDATE = (VersionRef(version=one, digest=None, uri=None) for one in "78")


def text(telemetry):

    return generate_latest(telemetry.registry).decode()


def test_weights_are_those_of_the_status_and_versions_that_left_are_gone():
    telemetry, rollout = Telemetry(), a_rollout()
    telemetry.decided(rollout, decided(stable=STABLE, candidate=CANDIDATE, current_step_index=0, canary_weight=10), wrote=True)
    assert 'kanarya_rollout_weight{namespace="default",role="other",rollout="iris",version="8"} 10.0' in text(telemetry)
    telemetry.decided(rollout, decided(stable=CANDIDATE), wrote=True)
    assert 'version="7"' not in text(telemetry)
    assert 'kanarya_rollout_weight{namespace="default",role="stable",rollout="iris",version="8"} 100.0' in text(telemetry)
    assert 'kanarya_rollout_writes_total{namespace="default",rollout="iris"} 2.0' in text(telemetry)


def test_a_process_is_live_while_its_loop_turns_and_ready_once_it_knows_who_leads():
    now = [0.0]
    telemetry = Telemetry(monotonic=lambda: now[0])
    assert (telemetry.live(), telemetry.ready()) == (None, "no word yet on who leads")
    telemetry.lead(leads=True)
    now[0] = STUCK_AFTER + 1
    assert (telemetry.live(), telemetry.ready()) == ("the loop has not come round for 121 s", None)
    telemetry.turn()
    assert telemetry.live() is None


def test_a_decision_in_the_log_is_one_object_and_not_text_in_a_field():
    record = logging.LogRecord("kanarya", logging.INFO, "", 0, "%s", (json.dumps({"weight": 10}),), None)
    assert json.loads(JsonLines().format(record))["weight"] == 10
    plain = logging.LogRecord("kanarya", logging.WARNING, "", 0, "it is %s", ("away",), None)
    assert json.loads(JsonLines().format(plain)) | {"time": ""} == {"time": "", "level": "warning", "message": "it is away"}
