"""Each ModelRollout and the InferenceService that it is about. Pure. What the latter must be is the controller's to say."""

from collections.abc import Iterator, Mapping

from kanarya_cli import view
from kanarya_cli.doctor.controller import looks_after
from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer
from kanarya_cli.doctor.workloads import Workload
from kanarya_contracts.names import ConditionType
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.inferenceservice import problems
from kanarya_rollout.ports.installation import Installation
from kanarya_rollout.settings import Settings


def rollout(name: str, found: ModelRollout | str, controllers: Mapping[Workload, Settings]) -> Finding:
    """Whether somebody looks after it and is content."""
    subject = f"ModelRollout {name}"
    space, _, short = name.partition("/")
    if isinstance(found, str):
        return wrong(subject, found, "upgrade the CRD (kubectl apply --server-side -f helm/rollout/crds) and apply it anew")
    if controllers and not any(looks_after(settings, space) for settings in controllers.values()):
        there = ", ".join(sorted({one for settings in controllers.values() for one in settings.namespaces}))
        return wrong(
            subject, f"no controller looks after namespace {space}; those are: {there}", "add it to namespaces of chart rollout"
        )
    status = found.status
    if not status.conditions and status.stable is None:
        return wrong(subject, "the controller has not looked at it yet", "see what is wrong with the controller, above")
    degraded = status.condition(ConditionType.DEGRADED)
    if degraded is not None and degraded.status == "True":
        return wrong(subject, f"{degraded.reason}: {degraded.message}", f"kanarya rollout explain {short} -n {space}")
    split = ", ".join(f"v{version} {percent} %" for version, percent in view.weights(found).items())
    return fine(subject, f"{view.headline(found)}{split and f'; {split}'}")


def target(found: ModelRollout, answer: Answer, *, kserve: Installation) -> Iterator[Finding]:
    """Whether its InferenceService can be rolled out in this cluster."""
    space, name = found.metadata.namespace, found.spec.target_ref.name
    subject = f"InferenceService {space}/{name}"
    if answer.denied or answer.failed:
        yield unknown(subject, answer.denied or answer.failed)
        return
    if answer.document is None:
        yield wrong(subject, "is not there", f"apply it; ModelRollout {space}/{found.metadata.name} is about it")
        return
    faults = problems(answer.document, kserve=kserve, driver=found.spec.traffic.driver)
    for fault in faults:
        message, _, advice = fault.partition("; ")
        yield wrong(subject, message, advice or f"kubectl -n {space} edit inferenceservice {name}")
    if faults:
        return
    conditions = {one["type"]: one for one in answer.document.get("status", {}).get("conditions", ())}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "False":
        why = ready.get("message") or ready.get("reason") or "KServe does not say why"
        yield wrong(subject, f"KServe says that it is not ready: {why}", f"kubectl -n {space} describe inferenceservice {name}")
    else:
        yield fine(subject, "can be rolled out" + ("; KServe says Ready" if ready.get("status") == "True" else ""))
