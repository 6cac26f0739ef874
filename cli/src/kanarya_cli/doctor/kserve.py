"""KServe: which version, whether it runs, how its ConfigMap has it make pods and routes. Pure."""

import json
import re
from collections.abc import Iterable, Iterator

from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer, Listing
from kanarya_cli.doctor.workloads import Workload, workload

SELECTOR = "control-plane=kserve-controller-manager"
"""By which its Deployment is found, whatever the chart calls it."""

NAMESPACE = "kserve"
"""Where it is, unless it is found elsewhere."""

CONFIG = "inferenceservice-config"
"""Its ConfigMap: JSON in a string a key."""

OLDEST = (0, 20)
"""The first version with `spec.canary`."""

_DOCS = "scripts/kind/kserve.yaml has values that fit"


def namespace(managers: Listing) -> str:
    """Where KServe is, and its ConfigMap."""
    return str(managers.items[0]["metadata"]["namespace"]) if managers.items else NAMESPACE


def running(managers: Listing) -> Iterator[Finding]:
    """Whether there is one, and of which version."""
    if not managers.items:
        if managers.denied:
            yield unknown("KServe", managers.denied)
        else:
            yield wrong("KServe", f"there is no Deployment with {SELECTOR}", f"install KServe 0.20 or later; {_DOCS}")
    for manager in map(workload, managers.items):
        yield _version(manager)


def _version(manager: Workload) -> Finding:
    found = re.search(r":v?(\d+)\.(\d+)[^:@/]*(@|$)", manager.image)
    said = manager.image.rpartition("/")[2]
    if manager.available < 1:
        logs = f"kubectl -n {manager.namespace} logs deploy/{manager.name}"
        return wrong("KServe", f"none of {manager.wanted} pods of {manager} is available", f"see why: {logs}")
    if found is None:
        return unknown("KServe", f"its image {said} names no version")
    if (int(found[1]), int(found[2])) < OLDEST:
        return wrong("KServe", f"{said} has no spec.canary", "upgrade KServe to 0.20 or later")
    return fine("KServe", f"{said}, {manager.available} of {manager.wanted} available")


def mode(settings: Answer) -> Finding:
    """How pods are made where an InferenceService does not say."""
    subject = "KServe's mode"
    deploy = _section(settings, "deploy")
    if isinstance(deploy, str):
        return unknown(subject, deploy)
    said = str(deploy.get("defaultDeploymentMode", "Knative"))
    if said in {"Standard", "RawDeployment"}:
        return fine(subject, f"{said} by default")
    return fine(subject, f"{said} by default: each InferenceService must say serving.kserve.io/deploymentMode: Standard itself")


def routes(settings: Answer, controllers: Iterable[tuple[Workload, bool | None]]) -> Iterator[Finding]:
    """Whether KServe makes routes beside ours, and each controller knows: it reads that unless `kserve_own_routes` is set."""
    subject = "KServe's routes"
    ingress = _section(settings, "ingress")
    if isinstance(ingress, str):
        yield unknown(subject, ingress)
        return
    makes = not ingress.get("disableIngressCreation", False)
    how = f"disableIngressCreation is {str(not makes).lower()}"
    for controller, believes in controllers:
        if believes is None:
            yield fine(subject, f"{how}, which controller {controller} reads for itself")
        elif makes and not believes:
            yield wrong(
                subject,
                f"{how}, but controller {controller} is told that KServe makes none, so it lets two routes answer for one host",
                "take KANARYA_ROLLOUT_KSERVE_OWN_ROUTES out of its environment, or set disableIngressCreation to true",
            )
        elif believes and not makes:
            yield fine(
                subject, f"{how}; controller {controller} asks for the label cluster-local all the same, which does no harm"
            )
        else:
            yield fine(subject, f"{how}, and controller {controller} knows")


def _section(settings: Answer, name: str) -> dict[str, object] | str:
    """A key of the ConfigMap, or why it cannot be read."""
    if settings.document is None:
        return settings.denied or settings.failed or f"there is no ConfigMap {CONFIG}"
    try:
        found = json.loads(settings.document.get("data", {}).get(name, "{}"))
    except ValueError as error:
        return f"{name} in ConfigMap {CONFIG} is not JSON: {error}"
    return found if isinstance(found, dict) else f"{name} in ConfigMap {CONFIG} is no JSON object"
