"""The controller's process in local mode: `python -m kanarya_cli.local.controller --state DIR`. Started by `stack`.

Composes the same Controller as its image does, with the adapters of this folder, and keeps the servers as a kubelet would.
Its log is JSON, a line an event. Ends between two passes on SIGTERM; the model servers and Envoy stay.
"""

import argparse
import getpass
import logging
import signal
import sys
import threading
import time
from pathlib import Path

import httpx

from kanarya_cli.local import launch, stack
from kanarya_cli.local.scrape import ScrapedMetrics
from kanarya_cli.local.serving import LocalServing
from kanarya_cli.local.store import FileStore, ServiceStore
from kanarya_cli.local.traffic import EnvoyTraffic, Gateway
from kanarya_contracts.problems import KanaryaError
from kanarya_contracts.rollout import ModelRollout
from kanarya_rollout import logs
from kanarya_rollout.archive import Archive
from kanarya_rollout.clock import SystemClock
from kanarya_rollout.controller import Controller
from kanarya_rollout.ports.mlflow import MlflowRegistry
from kanarya_rollout.ports.objects import Objects

TICK_SECONDS = 0.25
"""Between looks at a rollout under way, and at the servers."""

_LOG = logging.getLogger("kanarya.controller")


class Parts:
    """The adapters of each model, made when first asked for, and kept."""

    def __init__(self, state: Path, store: FileStore) -> None:
        addresses = stack.addresses(state)
        self._state = state
        self._registry = addresses.registry
        self._services = ServiceStore(state)
        self._gateway = Gateway(stack.discovery(state), admin=addresses.admin)
        self._serving: dict[str, LocalServing] = {}
        self._traffic: dict[str, EnvoyTraffic] = {}
        self._metrics: dict[str, ScrapedMetrics] = {}
        for name in store.names():  # every model is in the routes from the first write on
            if (found := store.get(name)) is not None:
                self._declare(found[0])

    def serving_for(self, rollout: ModelRollout) -> LocalServing:
        """The servers of the rollout's target."""
        model = rollout.spec.target_ref.name
        if model not in self._serving:
            variables = self._services.get(model).spec.predictor.model.env
            env = {str(one["name"]): str(one["value"]) for one in variables}
            self._serving[model] = LocalServing(model, state=self._state, registry=self._registry, env=env)
        return self._serving[model]

    def traffic_for(self, rollout: ModelRollout) -> EnvoyTraffic:
        """The split in front of the rollout's target."""
        self._declare(rollout)
        model = rollout.spec.target_ref.name
        if model not in self._traffic:
            self._traffic[model] = EnvoyTraffic(self._gateway, model, self.serving_for(rollout).ports)
        return self._traffic[model]

    def metrics_for(self, rollout: ModelRollout) -> ScrapedMetrics:
        """The counters of the rollout's target."""
        model = rollout.spec.target_ref.name
        if model not in self._metrics:
            self._metrics[model] = ScrapedMetrics(model, self.serving_for(rollout).servers)
        return self._metrics[model]

    def keep(self, stop: threading.Event) -> None:
        """Start again what ended, let go of what is stopping, and tell the gateway where the servers are; until `stop`."""
        while not stop.wait(TICK_SECONDS):
            for model in list(self._traffic):
                try:
                    self._serving[model].keep()
                    self._traffic[model].follow()
                except KanaryaError as error:
                    _LOG.warning("servers of %s: %s", model, error)
                except Exception:  # noqa: BLE001 (the keeper is a thread: its end would be seen by nobody)
                    _LOG.exception("servers of %s", model)

    def _declare(self, rollout: ModelRollout) -> None:
        self._gateway.declare(rollout.spec.target_ref.name, rollout.spec.traffic.hostnames)


def run(state: Path, stop: threading.Event, *, registry_patience: float) -> None:
    """Reconcile every rollout of a state directory until `stop` is set."""
    store = FileStore(state)
    parts = Parts(state, store)
    address = stack.addresses(state).registry
    registry = MlflowRegistry(address)
    archive = Archive(Objects(stack.audit(state).as_uri(), make=True), registry, controller=f"local mode, {getpass.getuser()}")
    controller = Controller(
        store=store,
        registry=registry,
        serving_for=parts.serving_for,
        traffic_for=parts.traffic_for,
        metrics_for=parts.metrics_for,
        clock=SystemClock(),
        log=_LOG,
        audit=archive,
    )
    launch.controller_is_up(state).touch()
    _await(address, stop, registry_patience)
    keeper = threading.Thread(target=parts.keep, args=[stop], name="keeper", daemon=True)
    keeper.start()
    threading.Thread(target=archive.work, args=[stop], name="archive", daemon=True).start()
    _LOG.info("running")
    controller.run(stop, TICK_SECONDS)
    keeper.join(timeout=5.0)
    _LOG.info("stopped")


def _await(registry: str, stop: threading.Event, patience: float) -> None:
    """Let a registry come up that was started with us. Past `patience` the passes say what is wrong with it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and not stop.is_set():
        try:
            if httpx.get(f"{registry}/health", timeout=2.0, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            stop.wait(0.1)


def main(arguments: list[str] | None = None) -> int:
    """The process. Returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m kanarya_cli.local.controller", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="local mode's directory")
    parser.add_argument("--registry-patience", type=float, default=0.0, help="seconds to wait for the registry at first")
    given = parser.parse_args(arguments)
    logs.begin()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(given.state.resolve(), stop, registry_patience=given.registry_patience)
    except KanaryaError as error:
        _LOG.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
