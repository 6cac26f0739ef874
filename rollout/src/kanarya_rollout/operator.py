"""The controller's process on Kubernetes. Called by `__main__`; composes the same Controller as `kanarya local` does.

Why no operator framework: kopf's handlers are told of changes, keep their progress in annotations and run concurrently for
one object; this controller reads everything, decides, writes once, and asks registry, gateway and Prometheus on a clock of
its own, which no change in the API server announces. What is left of an operator is a loop, a Lease and three pages of
health, and these are `Controller.run`, `lease` and `telemetry`.

A process that is told to stop ends between two passes and lets go of the Lease, so the next one leads at once.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from typing import get_args

from kanarya_contracts.names import API_VERSION
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout.archive import Archive
from kanarya_rollout.clock import SystemClock
from kanarya_rollout.controller import Controller
from kanarya_rollout.lease import EVERY, Lease
from kanarya_rollout.message import SignedCloudEvent, Text, key_of
from kanarya_rollout.notify import Channel, Notifications, Outcome
from kanarya_rollout.ports.api import KubernetesApi
from kanarya_rollout.ports.events import KubernetesEvents
from kanarya_rollout.ports.example import Examples
from kanarya_rollout.ports.gateway import GatewayTraffic
from kanarya_rollout.ports.httproute import GATEWAY_API, service_of
from kanarya_rollout.ports.inferenceservice import KSERVE_API, LABEL_SERVICE
from kanarya_rollout.ports.installation import KServe
from kanarya_rollout.ports.kserve import KServeServing
from kanarya_rollout.ports.kserve_traffic import KServeTraffic
from kanarya_rollout.ports.kubernetes import PLURAL, KubernetesStore
from kanarya_rollout.ports.mlflow import MlflowRegistry
from kanarya_rollout.ports.objects import Objects
from kanarya_rollout.ports.prometheus import Prometheus, PrometheusMetrics
from kanarya_rollout.ports.traffic import Traffic
from kanarya_rollout.ports.watched import Kind, WatchedApi
from kanarya_rollout.settings import Settings
from kanarya_rollout.telemetry import Telemetry, serve

_LOG = logging.getLogger("kanarya.controller")

AT_ONCE = 8
"""Passes side by side. They wait for answers most of their time while a controller that begins anew reads its world; MLflow
and API server then have this many calls to answer at a time, however many rollouts there are."""

WATCHED = (
    Kind(
        group=API_VERSION,
        plural=PLURAL,
        about=lambda _: "",  # of its own object, the loop sees the version
        unread=frozenset({"managedFields"}),
    ),
    Kind(group=KSERVE_API, plural="inferenceservices", about=lambda one: str(one["metadata"]["name"])),
    Kind(group=GATEWAY_API, plural="httproutes", about=lambda one: service_of(str(one["metadata"]["name"]))),
    Kind(
        group="apps/v1",
        plural="deployments",
        selector=LABEL_SERVICE,
        about=lambda one: str(one["metadata"]["labels"][LABEL_SERVICE]),
        unread=frozenset({"managedFields"}),  # its ports are read
    ),
    Kind(
        group="v1",
        plural="pods",
        selector=LABEL_SERVICE,
        about=lambda one: str(one["metadata"]["labels"][LABEL_SERVICE]),
        unread=frozenset({"managedFields", "spec"}),
    ),
)
"""What a pass reads of the cluster, but for KServe's ConfigMap."""


class Operator:
    """One process: its adapters, and whether it leads."""

    def __init__(self, settings: Settings, api: KubernetesApi) -> None:
        self._settings = settings
        self._api = api
        self._telemetry = Telemetry()
        self._examples = Examples(settings.registry, login=settings.registry_login)
        self._prometheus = Prometheus(
            settings.prometheus, max_age=settings.metrics_max_age_seconds, login=settings.prometheus_login
        )
        self._registry = MlflowRegistry(settings.registry)
        self._notifications = Notifications(tuple(_channels(settings, self._telemetry)))
        self._archive = _archive(settings, self._registry)

    def run(self, stop: threading.Event) -> None:
        """Lead whenever this process is elected, until `stop`. Raises OSError for a port in use."""
        pages = serve(self._telemetry, host=self._settings.host, port=self._settings.port)
        _LOG.info("health and metrics on port %d", pages.server_address[1])
        if self._archive is not None:
            threading.Thread(target=self._archive.work, args=[stop], name="archive", daemon=True).start()
        try:
            self._lead_when_elected(stop)
        finally:
            self._notifications.close()
            pages.shutdown()
            pages.server_close()
            self._examples.close()
            self._prometheus.close()

    def controller(self, api: KubernetesApi, stop: threading.Event) -> Controller:
        """A controller that knows nothing yet. What it reads of the cluster is watched until `stop`."""
        settings = self._settings
        api = WatchedApi(api, WATCHED, settings.namespaces)
        api.start(stop)
        parts = _Parts(settings, api, self._examples, self._prometheus)
        return Controller(
            store=_Store(api, settings.namespaces, self._telemetry),
            registry=self._registry,
            serving_for=parts.serving_for,
            traffic_for=parts.traffic_for,
            metrics_for=parts.metrics_for,
            clock=SystemClock(),
            log=_LOG,
            listeners=(KubernetesEvents(api, instance=settings.identity), self._telemetry, self._notifications),
            audit=self._archive,
            news=lambda rollout: api.news(rollout.metadata.namespace, rollout.spec.target_ref.name),
            at_once=AT_ONCE,
        )

    def _lead_when_elected(self, stop: threading.Event) -> None:
        settings = self._settings
        if settings.lease is None:
            _LOG.info("leading without an election: KANARYA_ROLLOUT_LEASE is not set")
            self._telemetry.lead(leads=True)
            self.controller(self._api, stop).run(stop, settings.tick_seconds)
            return
        lease = Lease(self._api, namespace=settings.lease_namespace, name=settings.lease, identity=settings.identity)
        while not stop.is_set():
            if lease.tend():
                self._lead(lease, stop)
            else:
                self._telemetry.lead(leads=False)
                stop.wait(EVERY)
        lease.release()

    def _lead(self, lease: Lease, stop: threading.Event) -> None:
        """Until told to stop, or the lease is lost. A fresh controller each time: what an old one remembers is old."""
        over = threading.Event()
        keeper = threading.Thread(target=lease.keep, args=[stop, over], name="lease", daemon=True)
        keeper.start()
        _LOG.info("%s leads", self._settings.identity)
        self._telemetry.lead(leads=True)
        try:
            self.controller(self._api.fenced(lambda: lease.held), over).run(over, self._settings.tick_seconds)
        finally:
            over.set()
            keeper.join()
            self._telemetry.forget()
            if not stop.is_set():
                _LOG.warning("%s does not lead any more", self._settings.identity)


def _channels(settings: Settings, telemetry: Telemetry) -> Iterator[Channel]:
    """The receivers that the settings name."""
    for name, address in (("webhook", settings.webhook_url), ("slack", settings.slack_url)):
        if address is not None:
            telemetry.receiver(name, get_args(Outcome))
    if settings.webhook_url is not None and settings.webhook_secret is not None:
        form = SignedCloudEvent(key=key_of(settings.webhook_secret.get_secret_value()))
        yield Channel("webhook", settings.webhook_url.get_secret_value(), form, count=telemetry.notified)
    if settings.slack_url is not None:
        yield Channel("slack", settings.slack_url.get_secret_value(), Text(), count=telemetry.notified)


def _archive(settings: Settings, registry: MlflowRegistry) -> Archive | None:
    """Raises KanaryaError for a place that is none."""
    if settings.audit is None:
        return None
    return Archive(Objects(settings.audit, make=True), registry, controller=settings.identity)


class _Store(KubernetesStore):
    """The rollouts; being asked for their names is the loop's turn."""

    def __init__(self, api: KubernetesApi, namespaces: Sequence[str], telemetry: Telemetry) -> None:
        super().__init__(api, namespaces)
        self._telemetry = telemetry

    def names(self) -> tuple[str, ...]:
        """As the port says."""
        self._telemetry.turn()
        return super().names()


class _Parts:
    """The adapters of each rollout, over one API server."""

    def __init__(self, settings: Settings, api: KubernetesApi, examples: Examples, prometheus: Prometheus) -> None:
        self._settings = settings
        self._api = api
        self._examples = examples
        self._prometheus = prometheus
        self._kserve = KServe(api, namespace=settings.kserve_namespace, own_routes=settings.kserve_own_routes)

    def serving_for(self, rollout: ModelRollout) -> KServeServing:
        """The predictors of the rollout's target."""
        return KServeServing(
            self._api,
            rollout,
            examples=self._examples,
            kserve=self._kserve,
            artifacts_root=self._settings.artifacts_root,
        )

    def traffic_for(self, rollout: ModelRollout) -> Traffic:
        """The split in front of the rollout's target."""
        if rollout.spec.traffic.driver == "kserve":
            return KServeTraffic(self._api, rollout)
        return GatewayTraffic(self._api, rollout)

    def metrics_for(self, rollout: ModelRollout) -> PrometheusMetrics:
        """The counters of the rollout's target."""
        return PrometheusMetrics(self._prometheus, model=rollout.spec.target_ref.name, namespace=rollout.metadata.namespace)
