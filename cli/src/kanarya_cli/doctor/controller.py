"""The controller's Deployment, its Lease, its rights, and those of who asks. Pure."""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime, timedelta

from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer, Granted, Listing, Right
from kanarya_cli.doctor.workloads import Workload, told
from kanarya_contracts.names import APP_CONTROLLER, GROUP, LABEL_APP
from kanarya_rollout.lease import DURATION
from kanarya_rollout.ports.kubernetes import PLURAL
from kanarya_rollout.settings import Settings

NEEDS = (
    (GROUP, PLURAL, ("get", "list", "watch")),
    (GROUP, f"{PLURAL}/status", ("update",)),
    ("serving.kserve.io", "inferenceservices", ("get", "list", "watch", "update")),
    ("gateway.networking.k8s.io", "httproutes", ("get", "list", "watch", "create", "patch")),
    ("gateway.envoyproxy.io", "envoyextensionpolicies", ("get", "create", "patch", "delete")),
    ("apps", "deployments", ("list", "watch")),
    ("", "pods", ("list", "watch")),
    ("", "events", ("create", "patch")),
)
"""What a controller does where its rollouts are, as chart `rollout` lets it."""

STALE = timedelta(seconds=DURATION + 45)
"""A Lease that is older is held by nobody. What goes beyond its duration is for clocks that differ."""


def running(controllers: Listing, workloads: Iterable[Workload]) -> Iterator[Finding]:
    """Whether there is one, and all of it."""
    install = "helm install rollout helm/rollout -n NAMESPACE"
    if not controllers.items and controllers.denied:
        yield unknown("controller", controllers.denied)
    elif not controllers.items:
        yield wrong("controller", f"there is no Deployment with {LABEL_APP}={APP_CONTROLLER}", install)
    for one in workloads:
        subject, logs = f"controller {one}", f"kubectl -n {one.namespace} logs deploy/{one.name}"
        settings = told(one)
        if isinstance(settings, str):
            yield unknown(subject, f"its settings cannot be read from the Deployment: {settings}")
        if one.wanted == 0:
            yield wrong(subject, "is scaled to 0", f"kubectl -n {one.namespace} scale deploy/{one.name} --replicas=2")
        elif one.available < one.wanted:
            yield wrong(subject, f"{one.available} of {one.wanted} pods are available", f"see why: {logs}")
        else:
            yield fine(subject, f"{one.available} of {one.wanted} pods are available")


def lease_of(controller: Workload) -> str | None:
    """`namespace/name` of the Lease by which it leads, if it asks for one."""
    settings = told(controller)
    return None if isinstance(settings, str) or settings.lease is None else f"{controller.namespace}/{settings.lease}"


def lease(name: str, answer: Answer, now: datetime) -> Finding:
    """Whether somebody holds it and renews it."""
    subject = f"Lease {name}"
    space = name.partition("/")[0]
    advice = f"see what the controller says: kubectl -n {space} logs -l {LABEL_APP}={APP_CONTROLLER}"
    if answer.denied or answer.failed:
        return unknown(subject, answer.denied or answer.failed)
    spec = (answer.document or {}).get("spec", {})
    holder, renewed = spec.get("holderIdentity"), spec.get("renewTime")
    if not holder or not renewed:
        return wrong(subject, "nobody leads", advice)
    age = now - datetime.fromisoformat(renewed)
    if age > STALE:
        return wrong(subject, f"{holder} has not renewed it for {age.total_seconds():.0f} s", advice)
    return fine(subject, f"held by {holder}")


def looks_after(settings: Settings, namespace: str) -> bool:
    """Whether a controller with these settings looks after rollouts in a namespace."""
    return not settings.namespaces or namespace in settings.namespaces


def rights(namespaces: Collection[str]) -> tuple[Right, ...]:
    """What a controller must be allowed where its rollouts are."""
    return tuple(
        Right(namespace=space, group=group, resource=resource, verb=verb)
        for space in namespaces
        for group, resource, verbs in NEEDS
        for verb in verbs
    )


def rights_of_a_person(namespaces: Collection[str]) -> tuple[Right, ...]:
    """What it takes to look at rollouts and to ask something of them."""
    return tuple(
        Right(namespace=space, group=GROUP, resource=PLURAL, verb=verb)
        for space in namespaces
        for verb in ("get", "list", "patch")
    )


def account(name: str, granted: Granted) -> Finding:
    """Whether a controller's service account may do what it does."""
    subject = f"rights of {name}"
    lacking = _in_words(right for right, has in granted.items() if has is False)
    if lacking:
        advice = "helm upgrade chart rollout, or give its service account these rights where namespaces are listed"
        return wrong(subject, f"may not {lacking}", advice)
    if any(has is None for has in granted.values()):
        return unknown(subject, "who asks may not review the rights of others", "ask whoever runs the cluster")
    return fine(subject, "may do all that it does")


def person(granted: Granted) -> Finding:
    """Whether who asks may look at rollouts and steer them."""
    lacking = _in_words(right for right, has in granted.items() if has is False)
    if lacking:
        return wrong("your rights", f"you may not {lacking}", "ask for the role edit there, or view to look alone")
    if any(has is None for has in granted.values()):
        return unknown("your rights", "the API server did not say")
    return fine("your rights", "you may look at rollouts and steer them")


def _in_words(lacking: Iterable[Right]) -> str:
    found: dict[str, list[str]] = {}
    for right in lacking:
        found.setdefault(right.namespace, []).append(str(right))
    return "; ".join(f"{', '.join(rights)} in namespace {space}" for space, rights in found.items())
