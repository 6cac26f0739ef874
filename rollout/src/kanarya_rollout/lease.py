"""Leadership: of several controllers, one decides. A Lease in the API server, as every Kubernetes controller keeps one.

Called by `operator`. A leader that could not renew for `RENEW_WITHIN` begins no more writes (`KubernetesApi.fenced`); others
wait `DURATION` from the last renewal that they saw, by their own clock, so clocks need not agree. The gap is longer than one
call to the API server: a leader's last write is over before the next one's first. Should a process be stopped within a call
and continued, every status write still carries the version it was decided from, and the API server refuses the late one.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from kanarya_rollout.ports import Conflict, Unreachable
from kanarya_rollout.ports.api import TIMEOUT_SECONDS, Document, KubernetesApi, collection

DURATION = 15.0
"""Seconds that a lease is good for after its last renewal."""

RENEW_WITHIN = DURATION - TIMEOUT_SECONDS - 2.0
"""Seconds after the last renewal at which a leader stops."""

EVERY = 2.0
"""Seconds between renewals, and between looks at somebody else's."""

COORDINATION = "coordination.k8s.io/v1"
"""apiVersion of Lease."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A lease as it was when it last changed."""

    version: str
    at: float


class Lease:
    """One controller's side of the election."""

    def __init__(
        self,
        api: KubernetesApi,
        *,
        namespace: str,
        name: str,
        identity: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`identity`: unique among the controllers, such as the pod's name."""
        self._api = api
        self._collection = collection(COORDINATION, namespace, "leases")
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._seen: _Seen | None = None
        self._renewed: float | None = None

    @property
    def held(self) -> bool:
        """Whether we lead, and may go on."""
        return self._renewed is not None and self._monotonic() - self._renewed < RENEW_WITHIN

    def tend(self) -> bool:
        """Take the lease if it is free, renew it if it is ours. Returns `held`. Raises nothing."""
        began = self._monotonic()
        try:
            if self._take():
                self._renewed = began
            else:
                self._renewed = None
        except (Conflict, Unreachable) as error:
            _LOG.warning("lease %s: %s", self._name, error)
        return self.held

    def release(self) -> None:
        """Let the next one take it at once. Raises nothing."""
        if self._renewed is None:
            return
        self._renewed = None
        try:
            found = self._api.get(f"{self._collection}/{self._name}")
            if found is not None and found["spec"].get("holderIdentity") == self._identity:
                self._api.replace(
                    f"{self._collection}/{self._name}", {**found, "spec": {**found["spec"], "holderIdentity": ""}}
                )
        except (Conflict, Unreachable) as error:
            _LOG.warning("lease %s was not released; it ends by itself: %s", self._name, error)

    def keep(self, stop: threading.Event, over: threading.Event) -> None:
        """Renew until `stop`, or until we lead no longer, or `over` is set; set `over` then. For a thread of its own."""
        while not stop.wait(EVERY) and not over.is_set():
            if not self.tend():
                break
        over.set()

    def _take(self) -> bool:
        found = self._api.get(f"{self._collection}/{self._name}")
        if found is None:
            self._api.create(self._collection, self._document({"metadata": {"name": self._name}, "spec": {}}))
            return True
        holder = found["spec"].get("holderIdentity") or ""
        if holder not in {"", self._identity} and not self._expired(str(found["metadata"]["resourceVersion"])):
            return False
        self._api.replace(f"{self._collection}/{self._name}", self._document(found))
        return True

    def _expired(self, version: str) -> bool:
        """Whether somebody else's lease has not changed for DURATION under our eyes."""
        now = self._monotonic()
        if self._seen is None or self._seen.version != version:
            self._seen = _Seen(version=version, at=now)
        return now - self._seen.at >= DURATION

    def _document(self, before: Document) -> Document:
        spec, now = before["spec"], datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        taken = spec.get("holderIdentity") != self._identity
        return {
            "apiVersion": COORDINATION,
            "kind": "Lease",
            "metadata": before["metadata"],
            "spec": {
                **spec,
                "holderIdentity": self._identity,
                "leaseDurationSeconds": int(DURATION),
                "renewTime": now,
                "acquireTime": now if taken else spec.get("acquireTime", now),
                "leaseTransitions": int(spec.get("leaseTransitions") or 0) + (taken and "holderIdentity" in spec),
            },
        }
