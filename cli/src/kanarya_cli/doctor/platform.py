"""What the controller leans on: MLflow with its bucket, and Prometheus with its scrapes. Pure.

None of it can be reached from outside of the cluster; the API server passes requests on, which is a right of its own.
"""

from collections.abc import Iterable, Iterator

from kanarya_cli.doctor.finding import Finding, fine, unknown, wrong
from kanarya_cli.doctor.seen import Answer, Seen
from kanarya_cli.doctor.workloads import Address, Workload, address, workload
from kanarya_contracts.names import APP_STORE, LABEL_APP
from kanarya_contracts.rollout import ModelRollout, VersionRef
from kanarya_rollout.ports.prometheus import Samples, servers_of

HEALTH = "/health"
"""MLflow's own page."""

ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
"""What lies at the root of MLflow's bucket, read by MLflow with its key."""

STORE_READY = "/minio/health/ready"
"""MinIO's."""

PROMETHEUS_READY = "/-/ready"
"""Prometheus'."""

_DESTINATION = "--artifacts-destination="
_ENDPOINT = "MLFLOW_S3_ENDPOINT_URL"


def pages(seen: Seen) -> Iterator[tuple[Address, str]]:
    """What is to be asked of the Services that controllers and registries are told of."""
    for controller, settings in seen.settings.items():
        if (registry := address(settings.registry, controller.namespace)) is not None:
            yield registry, HEALTH
            yield registry, ARTIFACTS
    for at in prometheis(seen):
        yield at, PROMETHEUS_READY
    for registry_server in map(workload, seen.registries.items):
        if (at_store := store(registry_server)) is not None:
            yield at_store, STORE_READY


def prometheis(seen: Seen) -> set[Address]:
    """Every Prometheus that a controller is told of."""
    found = {address(settings.prometheus, controller.namespace) for controller, settings in seen.settings.items()}
    return {at for at in found if at is not None}


def store(registry: Workload) -> Address | None:
    """The object store of an MLflow, if it is a Service of the cluster."""
    endpoint = registry.environment.get(_ENDPOINT)
    return None if endpoint is None else address(endpoint, registry.namespace)


def is_bundled(service: Answer) -> bool:
    """Whether a store's Service is that of the MinIO in chart `platform`, whose pages are known."""
    labels = (service.document or {}).get("metadata", {}).get("labels") or {}
    return bool(labels.get(LABEL_APP) == APP_STORE)


def page(subject: str, at: Address, service: Answer, answer: Answer) -> Finding:
    """Whether a Service's page answers as it should. `service`: the Service itself."""
    if service.denied:
        return unknown(subject, service.denied)
    if service.document is None and not at.certain:
        return unknown(subject, f"there is no Service {at}; a host outside of the cluster is not asked from here")
    if service.document is None:
        return wrong(subject, f"there is no Service {at}", "install it, or correct its address in chart rollout")
    if answer.denied:
        return unknown(subject, answer.denied, "kanarya asks through the API server: get on services/proxy")
    if answer.failed:
        pods = f"kubectl -n {at.namespace} get endpointslices -l kubernetes.io/service-name={at.service}"
        advice = f"see whether pods are behind it: {pods}; a NetworkPolicy may keep the API server out"
        return wrong(subject, f"{at} does not answer: {answer.failed}", advice)
    if answer.document is None:
        return wrong(subject, f"{at} answers 404", "something else listens there: correct its address in chart rollout")
    return fine(subject, f"{at} answers")


def bucket(at: Address, answer: Answer, registry: Workload) -> Finding:
    """Whether MLflow, with its key, sees what lies in its bucket."""
    subject = "bucket"
    destination = root(registry) or "its artifacts"
    if answer.denied:
        return unknown(subject, answer.denied)
    if answer.failed or answer.document is None:
        logs = f"kubectl -n {at.namespace} logs deploy/{registry.name}"
        return wrong(subject, f"MLflow cannot list {destination}: {answer.failed or 'answers 404'}", f"see why: {logs}")
    return fine(subject, f"MLflow lists {destination}")


def root(registry: Workload) -> str | None:
    """Where an MLflow keeps artifacts."""
    given = [one.removeprefix(_DESTINATION) for one in registry.arguments if one.startswith(_DESTINATION)]
    return given[-1] if given else None


def artifacts_root(controller: Workload, believed: str | None, registry: Workload) -> Finding:
    """Whether a controller and MLflow mean the same place by `mlflow-artifacts:`."""
    subject = "artifacts root"
    real = root(registry)
    if real is None:
        return unknown(subject, f"{registry} has no {_DESTINATION.rstrip('=')}")
    if (believed or "").rstrip("/") != real.rstrip("/"):
        return wrong(
            subject,
            f"MLflow keeps artifacts at {real}, controller {controller} has KServe fetch them from {believed or 'nowhere'}",
            f"set mlflow.artifactsRoot to {real} in chart rollout",
        )
    return fine(subject, real)


def scraped(at: Address, samples: Samples | str, rollouts: Iterable[ModelRollout]) -> Iterator[Finding]:
    """Whether Prometheus has counters of every version that takes requests."""
    if isinstance(samples, str):
        yield unknown("scrape", samples)
        return
    for rollout in rollouts:
        name, space = rollout.spec.target_ref.name, rollout.metadata.namespace
        subject = f"scrape of {space}/{name}"
        wanted = [ref.version for ref in _serving(rollout)]
        found = {server.version for server in servers_of(samples, name, space)}
        missing = [version for version in wanted if version not in found]
        if missing:
            advice = 'helm install monitoring helm/monitoring; the query up{job="kanarya-model"} shows what Prometheus scrapes'
            yield wrong(subject, f"Prometheus at {at} has no counters of {_versions(missing)}", advice)
        elif wanted:
            yield fine(subject, f"Prometheus has counters of {_versions(wanted)}")


def _serving(rollout: ModelRollout) -> list[VersionRef]:
    status = rollout.status
    refs = [status.stable, status.candidate if status.canary_weight else None]
    refs += [one.candidate for one in status.rivals if one.canary_weight]
    return [ref for ref in refs if ref is not None]


def _versions(versions: Iterable[str]) -> str:
    return ", ".join(f"v{one}" for one in versions)
