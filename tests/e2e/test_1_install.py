"""Everything is installed with helm and kubectl where `restricted` is enforced, and ready; and kanarya says so."""

import json
import subprocess
from typing import Any

from e2e_kube import eventually, names, ready


def test_every_pod_is_ready_where_restricted_is_enforced(kube: Any) -> None:
    labels = kube.get("namespace", kube.namespace)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"

    eventually(lambda: kube.rollout().status.stable is not None, "the controller serves the first champion", seconds=120)

    eventually(lambda: not names([pod for pod in kube.get("pods") if not ready(pod)]), "every pod is ready or has ended well")


def test_no_pod_runs_as_root_or_writes_to_its_image(kube: Any) -> None:
    for pod in kube.get("pods"):
        name, spec = pod["metadata"]["name"], pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert all(one["securityContext"]["readOnlyRootFilesystem"] for one in spec["containers"]), name


def test_two_controllers_stand_ready_and_one_leads(kube: Any) -> None:
    selector = ("-l", "app.kubernetes.io/name=kanarya-rollout")

    def leader() -> bool:  # between two leaders the Lease has no holder
        return kube.get("lease", "rollout")["spec"]["holderIdentity"] in names(kube.get("pods", *selector))

    eventually(leader, "a controller's pod holds the Lease", seconds=60)

    (controller,) = kube.get("deployments", *selector)
    assert controller["status"]["readyReplicas"] == 2


def test_the_doctor_finds_nothing_to_mend(kube: Any) -> None:
    said: list[str] = []

    def green() -> bool:
        done = subprocess.run(
            ["kanarya", "doctor", "-n", kube.namespace, "-o", "json"], capture_output=True, text=True, check=False
        )
        said[:] = [f"{one['subject']}: {one['message']}" for one in json.loads(done.stdout) if one["state"] != "fine"]
        return done.returncode == 0

    eventually(green, said, seconds=150, every=2)  # a minute passes until a kubelet has given Prometheus what it is to scrape
    assert said == []
