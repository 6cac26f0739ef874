"""The split in front of the models, as Envoy has it. Adapter of the `traffic` port, one for each model over one gateway.

Called by the controller's passes and by its keeper. Asks by renaming a discovery file into place; knows what is in force
from Envoy's admin alone, never from its own files. A cluster is there before a route points to it and goes after.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx

from kanarya_cli.local import envoy, files
from kanarya_cli.local.envoy import Split
from kanarya_cli.local.ports import HOST
from kanarya_rollout.observation import Copies
from kanarya_rollout.ports import Unreachable
from kanarya_rollout.sticky import Sticky

WARMING_SECONDS = 0.5
"""How long `route` waits for clusters that it has added. Envoy takes a few milliseconds."""

ADMIN_SECONDS = 2.0
"""How long Envoy's admin is waited for."""

Ports = Mapping[str, int]
"""Version → port of its server."""


class Gateway:
    """One Envoy. The only writer of its discovery files while the controller runs."""

    def __init__(self, directory: Path, *, admin: str) -> None:
        self._directory = directory
        self.admin = admin
        self._http = httpx.Client(base_url=admin, timeout=ADMIN_SECONDS, trust_env=False)
        self._lock = threading.RLock()
        self._hostnames: dict[str, tuple[str, ...]] = {}
        self._asked: dict[str, Split] = {}

    def close(self) -> None:
        """Let go of the connection to Envoy."""
        self._http.close()

    def declare(self, model: str, hostnames: tuple[str, ...]) -> None:
        """Say that this model is one of the gateway's, before anything is routed."""
        with self._lock:
            self._hostnames[model] = hostnames

    def start_from_nothing(self) -> None:
        """Write both files where there are none, so that Envoy starts and says that no version is up yet."""
        with self._lock:
            if not (self._directory / envoy.CLUSTERS_FILE).exists():
                self._write(envoy.CLUSTERS_FILE, envoy.clusters({}, HOST))
            if not (self._directory / envoy.ROUTES_FILE).exists():
                self._write(envoy.ROUTES_FILE, envoy.routes(list(self._nothing().values())))

    def in_force(self, model: str) -> Split | None:
        """The model's split as Envoy has it; None when it is someone else's."""
        splits = self._splits()
        return None if splits is None else splits.get(model, Split(model=model))

    def follow(self, model: str, ports: Ports) -> None:
        """Make the model's clusters those of its servers, and of what is routed still. Idempotent."""
        with self._lock:
            present, splits = self._clusters(), self._splits()
            here = present.get(model, {})
            routed = here if splits is None else splits.get(model, Split(model=model)).weights
            kept = {version: port for version, port in here.items() if version in routed}
            self._place(present, {**present, model: {**kept, **ports}})

    def route(self, model: str, weights: Mapping[str, int], copies: Copies | None, sticky: Sticky | None, ports: Ports) -> None:
        """As the port says. Clusters first; the route follows once Envoy has them."""
        with self._lock:
            present = self._clusters()
            here = {**present.get(model, {}), **ports}
            wanted_now = {version for version, weight in weights.items() if weight} | ({copies.version} if copies else set())
            lost = sorted(wanted_now - here.keys())
            if lost:
                msg = f"no server of {model} version {', '.join(lost)} runs; it cannot be given traffic"
                raise Unreachable(msg)
            if self._place(present, {**present, model: here}):
                self._wait_for(model, here)
            if sticky is not None:
                sticky = replace(sticky, zones=tuple(sticky.occupied(weights).values()))
            hostnames = self._hostnames[model]
            self._asked[model] = Split(model=model, hostnames=hostnames, weights=dict(weights), copies=copies, sticky=sticky)
            present_splits = self._splits()
            others = self._asked if present_splits is None else present_splits
            wanted = {**self._nothing(), **others, model: self._asked[model]}
            if wanted != present_splits:
                self._write(envoy.ROUTES_FILE, envoy.routes(list(wanted.values())))

    def _nothing(self) -> dict[str, Split]:
        """Every model that was declared, without a version."""
        return {model: Split(model=model, hostnames=hostnames) for model, hostnames in self._hostnames.items()}

    def _splits(self) -> Mapping[str, Split] | None:
        return envoy.splits_in_force(self._dump(envoy.ROUTE_CONFIGS))

    def _clusters(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for name, port in envoy.clusters_in_force(self._dump(envoy.ACTIVE_CLUSTERS)).items():
            model, _, version = name.rpartition("/")
            found.setdefault(model, {})[version] = port
        return found

    def _place(self, present: Mapping[str, Mapping[str, int]], wanted: Mapping[str, Mapping[str, int]]) -> bool:
        """Ask for these clusters. Returns whether they are others than Envoy has."""
        changes = {model: ports for model, ports in wanted.items() if ports} != present
        if changes:
            self._write(envoy.CLUSTERS_FILE, envoy.clusters(wanted, HOST))
        return changes

    def _wait_for(self, model: str, ports: Ports) -> None:
        deadline = time.monotonic() + WARMING_SECONDS
        while self._clusters().get(model) != ports:
            if time.monotonic() > deadline:
                names = ", ".join(sorted(ports))
                msg = f"Envoy has not taken {model} {names} within {WARMING_SECONDS:g} s; the route stays as it is"
                raise Unreachable(msg)
            time.sleep(0.005)

    def _write(self, file: str, document: object) -> None:
        files.write_json(self._directory / file, document, durable=False)

    def _dump(self, resource: str) -> Mapping[str, object]:
        try:
            response = self._http.get("/config_dump", params={"resource": resource}).raise_for_status()
            dump = response.json()
        except (httpx.HTTPError, ValueError) as error:
            msg = f"Envoy's admin at {self._http.base_url} does not answer: {error or type(error).__name__}"
            raise Unreachable(msg) from None
        assert isinstance(dump, dict)  # noqa: S101 (Envoy's ConfigDump)
        return dump


class EnvoyTraffic:
    """One model's split."""

    lag = timedelta()  # it is Envoy that is asked

    def __init__(self, gateway: Gateway, model: str, ports: Callable[[], Ports]) -> None:
        self._gateway = gateway
        self._model = model
        self._ports = ports
        self._copies: Copies | None = None

    def in_force(self) -> Mapping[str, int] | None:
        """Version → percent as Envoy routes now."""
        split = self._gateway.in_force(self._model)
        self._copies = split.copies if split is not None else None
        return split.weights if split is not None else None

    def copies(self) -> Copies | None:
        """What Envoy copied when it was last asked."""
        return self._copies

    def route(self, weights: Mapping[str, int], copies: Copies | None = None, sticky: Sticky | None = None) -> None:
        """Ask for these percents and copies, of users told apart as `sticky` says."""
        self._gateway.route(self._model, weights, copies, sticky, self._ports())

    def follow(self) -> None:
        """Let the gateway know where the servers are now: one that was started anew has another port."""
        self._gateway.follow(self._model, self._ports())
