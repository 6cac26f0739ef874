"""What pods and Deployments say of a version's server, as Kubernetes writes it."""

import pytest

from kanarya_rollout.ports.pods import Deployment, Pod, backend


def container(name="kserve-container", **state):
    return {"name": name, "image": "model", "ready": False, "restartCount": 1, **state}


def waiting(reason, message=""):
    return {"state": {"waiting": {"reason": reason, "message": message}}}


def ended(code, message="", *, now=False):
    state = {"terminated": {"exitCode": code, "reason": "Error", "message": message}}
    return {"state": state} if now else {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": state}


def pod(*containers, init=(), ready=False, phase="Pending", leaving=False, conditions=()):
    metadata = {"name": "iris-v8-predictor-1", **({"deletionTimestamp": "2026-01-01T00:00:00Z"} if leaving else {})}
    status = {
        "phase": phase,
        "conditions": [{"type": "Ready", "status": str(ready)}, *conditions],
        "containerStatuses": list(containers),
        "initContainerStatuses": list(init),
    }
    return Pod.model_validate({"metadata": metadata, "status": status})


DEPLOYMENT = Deployment.model_validate({"metadata": {"name": "iris-v8-predictor"}})


def seen(*pods, deployment=DEPLOYMENT):
    found = backend("8", deployment, pods)
    return found.state, found.message


def test_one_ready_pod_is_a_ready_backend_whatever_the_others_do():
    assert seen(pod(container(**ended(1))), pod(ready=True))[0] == "Ready"


def test_a_pod_on_its_way_out_counts_for_nothing():
    assert seen(pod(ready=True, leaving=True)) == ("Starting", "its pods have not been created yet")


def test_a_server_that_refuses_its_artifact_is_refused_with_its_last_words():
    log = "INFO loading\nkanarya-model: /mnt/models: model.onnx: has digest sha256:1…, expected sha256:2…\n"
    assert seen(pod(container(**ended(2, log)))) == (
        "Refused",
        "/mnt/models: model.onnx: has digest sha256:1…, expected sha256:2…",
    )
    assert seen(pod(container(**ended(2, log, now=True))))[0] == "Refused"


def test_a_server_that_answers_its_example_wrong_tells_which_rows():
    log = "kanarya-model: /mnt/models: example: row 0: label 'a', expected 'b'; row 1: a probability is off by 0.2"
    found = backend("8", DEPLOYMENT, [pod(container(**ended(2, log)))])
    assert found.state == "Failed"
    assert found.example_problems == ("row 0: label 'a', expected 'b'", "row 1: a probability is off by 0.2")


def test_bad_settings_are_no_verdict_on_the_artifact():
    log = "kanarya-model: settings: --most-rows: got 'many', expected an integer"
    assert seen(pod(container(**ended(2, log)))) == ("Failed", f"kserve-container ended with status 2: {log}")


def test_a_container_that_ends_again_and_again_has_failed_with_its_last_lines():
    log = "one\ntwo\n\nthree\nfour\n"
    assert seen(pod(container(**ended(137, log)))) == ("Failed", "kserve-container ended with status 137: two / three / four")
    assert seen(pod(container(**ended(137)))) == ("Failed", "kserve-container ended with status 137: Error")


def test_a_download_that_fails_has_the_words_of_the_storage_initializer():
    init = container("storage-initializer", **ended(1, "botocore: NoSuchBucket"))
    assert seen(pod(init=[init])) == ("Failed", "storage-initializer ended with status 1: botocore: NoSuchBucket")


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError"])
def test_a_container_that_cannot_start_has_failed_with_kubernetes_own_reason(reason):
    found = seen(pod(container(**waiting(reason, "no such image"))))
    assert found == ("Failed", f"kserve-container: {reason}: no such image")


def test_pods_that_are_not_admitted_are_told_from_pods_that_are_slow():
    conditions = [{"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}]
    full = Deployment.model_validate({"metadata": {"name": "d"}, "status": {"conditions": conditions}})
    assert seen(deployment=full) == ("Failed", "no pod can be created: exceeded quota")
    assert seen(deployment=None) == ("Starting", "KServe has not made its Deployment yet")


def test_a_pod_that_no_node_takes_is_starting_and_says_so():
    unplaced = [{"type": "PodScheduled", "status": "False", "message": "0/1 nodes: insufficient memory"}]
    assert seen(pod(conditions=unplaced)) == ("Starting", "no node takes its pod: 0/1 nodes: insufficient memory")


def test_a_pod_that_is_creating_its_containers_is_starting():
    assert seen(pod(container(**waiting("ContainerCreating")))) == ("Starting", "its pod is starting")


def test_a_container_that_restarted_and_runs_is_starting_again():
    running = container(state={"running": {}}, lastState={"terminated": {"exitCode": 137}})
    assert seen(pod(running))[0] == "Starting"
