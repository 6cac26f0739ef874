"""Every check over what was seen, in the order in which one thing leans on another. Pure. Called by `commands.doctor`."""

from collections.abc import Iterator
from dataclasses import replace

from kanarya_cli.doctor import controller, gateways, kinds, kserve, platform, rollouts
from kanarya_cli.doctor.finding import Finding, State, unknown
from kanarya_cli.doctor.seen import Seen
from kanarya_cli.doctor.workloads import Workload, address, workload
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.ports.installation import told
from kanarya_rollout.settings import Settings


def findings(seen: Seen) -> Iterator[Finding]:
    """All of them."""
    yield kinds.api_server(seen.version)
    yield from kinds.findings(seen.kinds)
    yield from kserve.running(seen.kserve)
    if seen.kserve.items:
        yield kserve.mode(seen.kserve_settings)
        yield from kserve.routes(seen.kserve_settings, [(one, known.kserve_own_routes) for one, known in seen.settings.items()])
    yield from gateways.findings(seen.gateways)
    yield from controller.running(seen.controllers, seen.workloads)
    yield from (controller.lease(name, answer, seen.now) for name, answer in seen.leases.items())
    yield from (controller.account(name, granted) for name, granted in seen.accounts.items())
    yield controller.person(seen.person)
    for one, settings in seen.settings.items():
        yield from _registry(seen, one, settings)
        yield from _counters(seen, one, settings)
    if seen.rollouts_denied:
        yield unknown("ModelRollouts", seen.rollouts_denied)
    for name, found in seen.rollouts.items():
        yield rollouts.rollout(name, found, seen.settings)
        if isinstance(found, ModelRollout):
            yield from _target(seen, found)


def _registry(seen: Seen, one: Workload, settings: Settings) -> Iterator[Finding]:
    """MLflow as one controller is told of it, with its bucket."""
    at = address(settings.registry, one.namespace)
    if at is None:
        yield unknown("MLflow", f"{settings.registry} is outside of the cluster")
        return
    yield platform.page("MLflow", at, seen.services[at], seen.pages[at, platform.HEALTH])
    for server in map(workload, seen.registries.items):
        if server.namespace != at.namespace:
            continue
        store = platform.store(server)
        if store is not None and platform.is_bundled(seen.services[store]):
            yield platform.page("MinIO", store, seen.services[store], seen.pages[store, platform.STORE_READY])
        yield platform.bucket(at, seen.pages[at, platform.ARTIFACTS], server)
        yield platform.artifacts_root(one, settings.artifacts_root, server)


def _counters(seen: Seen, one: Workload, settings: Settings) -> Iterator[Finding]:
    """Prometheus as one controller is told of it, with what it has of the models that the controller looks after."""
    at = address(settings.prometheus, one.namespace)
    if at is None:
        yield unknown("Prometheus", f"{settings.prometheus} is outside of the cluster")
        return
    ready = platform.page("Prometheus", at, seen.services[at], seen.pages[at, platform.PROMETHEUS_READY])
    yield ready
    if ready.state is State.FINE:
        mine = [found for found in seen.readable if controller.looks_after(settings, found.metadata.namespace)]
        yield from platform.scraped(at, seen.scraped[at], mine)


def _target(seen: Seen, found: ModelRollout) -> Iterator[Finding]:
    space = found.metadata.namespace
    installed = told(seen.kserve_settings.document or {})
    words = [one.kserve_own_routes for one in seen.settings.values() if controller.looks_after(one, space)]
    believed = [word for word in words if word is not None]
    if believed:
        installed = replace(installed, own_routes=all(believed))
    yield from rollouts.target(found, seen.targets[f"{space}/{found.spec.target_ref.name}"], kserve=installed)
